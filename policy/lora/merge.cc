#include "policy/lora/merge.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/error.h"
#include "base/nearest_name.h"
#include "policy/transformer/ops/matmul.h"
#include "policy/weights/stored_tensors.h"

namespace cohort::policy {
namespace {

constexpr std::string_view kWeight = ".weight";

// The adapters of one tensor of policy/weights/weights.h, which may hold the weights of many
// experts.
class TensorMerge {
 public:
  TensorMerge(const WeightMap& adapters, double scale) : adapters_(adapters), scale_(scale) {}

  // True when a part of the tensor is adapted.
  bool Touches(const std::vector<StoredTensor>& parts) const {
    return std::any_of(parts.begin(), parts.end(), [&](const StoredTensor& stored) {
      return stored.name.ends_with(kWeight) &&
             adapters_.contains(ModuleOf(stored) + std::string(kLoraDown));
    });
  }

  // part += scale B A for every adapted part; their modules join `merged`.
  void AddInto(const std::vector<StoredTensor>& parts, std::vector<std::string>* merged) const {
    std::vector<ProductInto> products;
    for (const StoredTensor& stored : parts) {
      const std::string module = ModuleOf(stored);
      const auto down = adapters_.find(module + std::string(kLoraDown));
      const auto up = adapters_.find(module + std::string(kLoraUp));
      if (down == adapters_.end() || up == adapters_.end()) continue;
      const at::Tensor &a = down->second, &b = up->second;
      if (stored.part.dim() != 2 || stored.part.size(0) != b.size(0) ||
          stored.part.size(1) != a.size(1)) {
        throw Error(ErrorCode::kUsage,
                    "the adapter of " + module + " has another shape than the model's weight");
      }
      const at::TensorOptions like = stored.part.options();
      products.push_back({stored.part, b.to(like) * scale_, a.to(like).t(), /*accumulate=*/true});
      merged->push_back(module);
    }
    MatmulNtInto(products);
  }

 private:
  static std::string ModuleOf(const StoredTensor& stored) {
    return stored.name.substr(0, stored.name.size() - kWeight.size());
  }

  const WeightMap& adapters_;
  double scale_;
};

// Adapters that found no weight.
[[noreturn]] void RefuseLeftOver(const std::string& module, const ModelConfig& config,
                                 const WeightMap& weights) {
  std::vector<std::string> modules;
  for (const auto& [name, tensor] : weights) {
    for (const StoredTensor& stored : LinearLayers(config, name, tensor)) {
      if (!stored.name.ends_with(kWeight)) continue;
      modules.push_back(stored.name.substr(0, stored.name.size() - kWeight.size()));
    }
  }
  throw Error(ErrorCode::kUsage, "the adapter of " + module + " has no weight in this model" +
                                     base::DidYouMean(module, modules));
}

}  // namespace

void AddAdapters(const WeightMap& adapters, double scale, const ModelConfig& config,
                 WeightMap* weights) {
  const at::NoGradGuard no_grad;
  const TensorMerge merge(adapters, scale);
  std::vector<std::string> merged;
  for (auto& [name, tensor] : *weights) {
    if (!merge.Touches(LinearLayers(config, name, tensor))) continue;
    const at::Tensor sum = tensor.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    merge.AddInto(LinearLayers(config, name, sum), &merged);
    tensor = sum.to(tensor.scalar_type());
  }
  std::sort(merged.begin(), merged.end());
  for (const auto& [name, unused] : adapters) {
    const std::string module = AdaptedModule(name);
    if (!std::binary_search(merged.begin(), merged.end(), module)) {
      RefuseLeftOver(module, config, *weights);
    }
  }
}

}  // namespace cohort::policy
