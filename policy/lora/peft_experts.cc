#include "policy/lora/peft_experts.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "policy/config/family.h"
#include "policy/lora/names.h"
#include "policy/weights/stored_tensors.h"

namespace cohort::policy {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kExperts = ".experts", kWrappedFirst = ".experts.base_layer";
constexpr std::string_view kGateUpProj = ".gate_up_proj", kDownProj = ".down_proj";

bool IsOfAllExperts(const std::string& module) {
  return module.ends_with(std::string(kExperts) + std::string(kGateUpProj)) ||
         module.ends_with(std::string(kExperts) + std::string(kDownProj));
}

void AddPair(const std::string& weight_name, const at::Tensor& a, const at::Tensor& b,
             WeightMap* out) {
  const std::string module = weight_name.substr(0, weight_name.size() - kWeight.size());
  (*out)[module + std::string(kLoraDown)] = a;
  (*out)[module + std::string(kLoraUp)] = b;
}

}  // namespace

std::string AdaptedParameter(const std::string& module, const at::Tensor& a, const at::Tensor& b,
                             const ModelConfig& config) {
  const bool first = module.ends_with(kWrappedFirst);
  if (!first && !module.ends_with(kExperts)) return module;
  const std::string experts =
      first ? module.substr(0, module.size() - kWrappedFirst.size() + kExperts.size()) : module;
  const int64_t d = config.width, m = config.moe.expert_width;
  const int64_t in = a.size(1), out = b.size(0);
  if (in == d && out == 2 * m) return experts + std::string(kGateUpProj);
  if (in == m && out == d) return experts + std::string(kDownProj);
  throw Error(ErrorCode::kUsage,
              "the adapter of " + module + " maps " + std::to_string(in) + " to " +
                  std::to_string(out) + " values; the experts of this model map " +
                  std::to_string(d) + " to " + std::to_string(2 * m) + " (gate_up_proj) and " +
                  std::to_string(m) + " to " + std::to_string(d) + " (down_proj)");
}

WeightMap AdaptersByName(const std::string& module, const at::Tensor& a, const at::Tensor& b,
                         const ModelConfig& config) {
  WeightMap out;
  if (!IsOfAllExperts(module)) {
    const bool of_one_expert = module.find(std::string(kExperts) + ".") != std::string::npos;
    const std::string name = module + std::string(kWeight);
    AddPair(of_one_expert ? name : StoredTensors(config, name, b).front().name, a, b, &out);
    return out;
  }
  const int64_t experts = config.moe.num_experts;
  const at::Tensor a_ERI = a.view({experts, -1, a.size(1)});
  const at::Tensor b_EOR = b.view({b.size(0), -1, experts}).permute({2, 0, 1});
  for (int64_t e = 0; e < experts; ++e) {
    for (const StoredTensor& part : StoredExpert(config, module, e, b_EOR[e])) {
      AddPair(part.name, a_ERI[e], part.part, &out);
    }
  }
  return out;
}

bool IsTakenForExperts(const std::string& module, const ModelConfig& config) {
  if (config.moe.num_experts == 0 ||
      module.find(std::string(kExperts) + ".") != std::string::npos) {
    return false;
  }
  const ExpertNames& names = FindFamily(config.family, "the model's config").experts;
  const std::string leaf = module.substr(module.rfind('.') + 1);
  return leaf == names.gate || leaf == names.up || leaf == names.down;
}

}  // namespace cohort::policy
