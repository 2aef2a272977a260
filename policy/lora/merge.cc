#include "policy/lora/merge.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

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

// `parts` of `tensor` plus their adapters, in `dtype`; itself where it has none. `cut`: the parts
// of a tensor like it.
template <class Cut>
at::Tensor WithAdapters(const TensorMerge& merge, const at::Tensor& tensor, at::ScalarType dtype,
                        const Cut& cut, std::vector<std::string>* merged) {
  if (!merge.Touches(cut(tensor))) return tensor;
  const at::Tensor sum = tensor.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  merge.AddInto(cut(sum), merged);
  return sum.to(dtype);
}

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
    const auto cut = [&](const at::Tensor& like) { return LinearLayers(config, name, like); };
    tensor = WithAdapters(merge, tensor, tensor.scalar_type(), cut, &merged);
  }
  std::sort(merged.begin(), merged.end());
  for (const auto& [name, unused] : adapters) {
    const std::string module = AdaptedModule(name);
    if (!std::binary_search(merged.begin(), merged.end(), module)) {
      RefuseLeftOver(module, config, *weights);
    }
  }
}

void CheckAdapters(const WeightMap& adapters, const ModelConfig& config) {
  WeightMap shapes;
  std::map<std::string, at::Tensor> layers;  // by module
  for (const TensorSpec& spec : ExpectedTensors(config)) {
    at::Tensor& like = shapes[spec.name] =
        at::empty(spec.shape, at::TensorOptions().device(at::kMeta));
    for (const StoredTensor& stored : LinearLayers(config, spec.name, like)) {
      if (!stored.name.ends_with(kWeight) || stored.part.dim() != 2) continue;
      layers[stored.name.substr(0, stored.name.size() - kWeight.size())] = stored.part;
    }
  }
  for (const auto& [name, tensor] : adapters) {
    const std::string module = AdaptedModule(name);
    const auto refuse = [&](const std::string& what) {
      throw Error(ErrorCode::kUsage, "the adapter of " + module + " " + what);
    };
    if (!name.ends_with(kLoraDown) && !name.ends_with(kLoraUp)) refuse("holds '" + name + "'");
    const auto layer = layers.find(module);
    if (layer == layers.end()) RefuseLeftOver(module, config, shapes);
    const auto down = adapters.find(module + std::string(kLoraDown));
    const auto up = adapters.find(module + std::string(kLoraUp));
    if (down == adapters.end() || up == adapters.end()) refuse("has one of its two matrices");
    const at::Tensor &a = down->second, &b = up->second;
    if (a.dim() != 2 || b.dim() != 2 || a.size(0) < 1 || a.size(0) != b.size(1) ||
        a.size(1) != layer->second.size(1) || b.size(0) != layer->second.size(0)) {
      refuse("has another shape than the model's weight");
    }
  }
}

AdaptedWeights::AdaptedWeights(WeightMap base, WeightMap adapters, double scale, ModelConfig config)
    : base_(std::move(base)),
      adapters_(std::move(adapters)),
      scale_(scale),
      config_(std::move(config)),
      dtype_(adapters_.empty() ? at::kFloat : adapters_.begin()->second.scalar_type()) {}

at::Tensor AdaptedWeights::Take(const std::string& name) {
  const auto found = base_.find(name);
  if (found == base_.end()) return {};
  const at::NoGradGuard no_grad;
  std::vector<std::string> merged;
  const auto cut = [&](const at::Tensor& like) { return LinearLayers(config_, name, like); };
  return WithAdapters(TensorMerge(adapters_, scale_), found->second, dtype_, cut, &merged);
}

at::Tensor AdaptedWeights::TakeExpert(const std::string& name, ExpertIndex expert) {
  const auto found = base_.find(name);
  if (found == base_.end() || found->second.dim() < 1 || found->second.size(0) != expert.count) {
    return {};
  }
  const at::NoGradGuard no_grad;
  std::vector<std::string> merged;
  const auto cut = [&](const at::Tensor& like) {
    return ExpertLayers(config_, name, expert.index, like);
  };
  return WithAdapters(TensorMerge(adapters_, scale_), found->second[expert.index], dtype_, cut,
                      &merged);
}

WeightMap AdaptedWeights::TakeAll() {
  WeightMap weights;
  for (const auto& [name, unused] : base_) weights.emplace(name, Take(name));
  return weights;
}

}  // namespace cohort::policy
