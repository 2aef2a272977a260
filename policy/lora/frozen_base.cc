#include "policy/lora/frozen_base.h"

#include <ATen/core/grad_mode.h>

#include <string>
#include <utility>

#include "base/error.h"
#include "policy/weights/stored_tensors.h"

namespace cohort::policy {
namespace {

// Calls body(name of the tensor, its parameter, its scales) for each matrix of the base.
template <class Body>
void ForEachMatrix(const TransformerImpl& policy, const Body& body) {
  const auto visit = [&](const std::string& name, at::Tensor& weight, at::Tensor& scale_inv) {
    const auto dimensions = static_cast<size_t>(weight.dim());
    if (weight.requires_grad()) return;
    if (StoredDtype(name, dimensions, Dtype::kFloat8E4m3) != Dtype::kFloat8E4m3) return;
    body(name, weight, scale_inv);
  };
  for (const auto& item : policy.named_modules("", /*include_self=*/false)) {
    const std::string& name = item.key();
    if (name.find(".lora_") != std::string::npos) continue;
    if (auto* linear = item.value()->as<LinearImpl>()) {
      visit(name + ".weight", linear->weight, linear->weight_scale_inv);
    }
    if (auto* experts = item.value()->as<ExpertsImpl>()) {
      visit(name + ".gate_up_proj", experts->gate_up_proj, experts->gate_up_proj_scale_inv);
      visit(name + ".down_proj", experts->down_proj, experts->down_proj_scale_inv);
    }
  }
}

int64_t Bytes(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<int64_t>(tensor.nbytes()) : 0;
}

}  // namespace

void KeepBase(TransformerImpl& policy, BaseFormat format, WeightSource* published) {
  if (format == BaseFormat::kFloat32) return;
  const at::NoGradGuard no_grad;
  int64_t kept = 0;
  ForEachMatrix(policy, [&](const std::string& name, at::Tensor& weight, at::Tensor& scale_inv) {
    ++kept;
    if (format == BaseFormat::kBFloat16) return weight.set_data(weight.to(at::kBFloat16));
    Fp8Matrix matrix = published == nullptr ? Fp8Matrix{} : published->TakeFp8(name);
    if (!matrix.scale_inv.defined()) matrix = QuantizeFp8Tensor(name, weight);
    weight.set_data(matrix.values);
    scale_inv = std::move(matrix.scale_inv);
  });
  if (kept > 0) return;
  throw Error(
      ErrorCode::kUsage,
      "no matrix of the model is frozen: only what adapters leave as it is is kept in fewer "
      "bits",
      "add adapters first, or keep all in float32");
}

int64_t BaseBytes(const TransformerImpl& policy) {
  int64_t bytes = 0;
  ForEachMatrix(policy,
                [&](const std::string&, const at::Tensor& weight, const at::Tensor& scale_inv) {
                  bytes += Bytes(weight) + Bytes(scale_inv);
                });
  return bytes;
}

}  // namespace cohort::policy
