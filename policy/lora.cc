#include "policy/lora.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <set>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/nearest_name.h"

namespace cohort::policy {
namespace {

constexpr char kHead[] = "lm_head";

struct NamedLinear {
  std::string name;
  LinearImpl* linear;
};

// The linear layers that decoding runs, not those that adapters are made of.
std::vector<NamedLinear> LinearLayers(const Transformer& policy) {
  std::vector<NamedLinear> found;
  for (const auto& item : policy->named_modules()) {
    auto* linear = item.value()->as<LinearImpl>();
    if (linear == nullptr || item.key().find(".lora_") != std::string::npos) continue;
    if (IsOfMtpLayer(policy->config(), item.key() + ".weight")) continue;
    found.push_back({item.key(), linear});
  }
  return found;
}

bool Matches(const std::string& name, const std::string& target) {
  if (target == kAllLinear) return name != kHead;
  return name == target || name.ends_with("." + target);
}

// The last part of every layer's name, once each.
std::vector<std::string> KindsOf(const std::vector<NamedLinear>& layers) {
  std::set<std::string> kinds;
  for (const NamedLinear& layer : layers) {
    kinds.insert(layer.name.substr(layer.name.rfind('.') + 1));
  }
  return {kinds.begin(), kinds.end()};
}

void CheckTargets(const std::vector<NamedLinear>& layers, const std::vector<std::string>& targets) {
  for (const std::string& target : targets) {
    const bool found = std::any_of(layers.begin(), layers.end(), [&](const NamedLinear& layer) {
      return Matches(layer.name, target);
    });
    if (found) continue;
    const std::vector<std::string> kinds = KindsOf(layers);
    std::string list;
    for (const std::string& kind : kinds) list += kind + ", ";
    throw Error(ErrorCode::kUsage,
                "lora target '" + target + "' names no linear layer of this model" +
                    base::DidYouMean(target, kinds),
                "it has " + list + "or " + kAllLinear + " for all but the head");
  }
}

void Draw(const NamedLinear& layer, uint64_t seed) {
  const at::NoGradGuard no_grad;
  at::Tensor& weight = layer.linear->lora_A->weight;
  // A stream of its own for every layer: another target leaves the others as they were.
  at::Generator generator = at::detail::createCPUGenerator(
      base::Checksum(layer.name + ".lora_A#" + std::to_string(seed)));
  const double bound = 1.0 / std::sqrt(static_cast<double>(weight.size(1)));
  weight.copy_(at::empty(weight.sizes()).uniform_(-bound, bound, generator));
  layer.linear->lora_B->weight.zero_();
}

}  // namespace

void AttachLora(Transformer& policy, const LoraConfig& config, uint64_t seed) {
  const std::vector<NamedLinear> layers = LinearLayers(policy);
  CheckTargets(layers, config.targets);
  for (const at::Tensor& parameter : policy->parameters())
    at::Tensor(parameter).requires_grad_(false);
  for (const NamedLinear& layer : layers) {
    const bool targeted =
        std::any_of(config.targets.begin(), config.targets.end(),
                    [&](const std::string& target) { return Matches(layer.name, target); });
    if (!targeted) continue;
    layer.linear->AddLora(config.rank, config.scale());
    Draw(layer, seed);
  }
}

WeightMap LoraWeights(const Transformer& policy) {
  WeightMap out;
  for (const NamedLinear& layer : LinearLayers(policy)) {
    if (layer.linear->lora_A == nullptr) continue;
    out[layer.name + ".lora_A.weight"] = layer.linear->lora_A->weight.detach();
    out[layer.name + ".lora_B.weight"] = layer.linear->lora_B->weight.detach();
  }
  return out;
}

void LoadLoraWeights(Transformer& policy, const WeightMap& adapters) {
  const at::NoGradGuard no_grad;
  WeightMap own = LoraWeights(policy);
  const auto refuse = [](const std::string& name, const std::string& what) {
    throw Error(ErrorCode::kUsage, "the adapters do not fit the policy: " + name + " " + what);
  };
  for (const auto& [name, tensor] : adapters) {
    if (!own.contains(name)) refuse(name, "is unexpected");
  }
  for (auto& [name, tensor] : own) {
    const auto found = adapters.find(name);
    if (found == adapters.end()) refuse(name, "is missing");
    if (found->second.sizes() != tensor.sizes()) refuse(name, "has another shape");
  }
  for (auto& [name, tensor] : own) tensor.copy_(adapters.at(name));
}

WeightMap MergedWeights(const Transformer& policy) {
  const at::NoGradGuard no_grad;
  WeightMap weights = policy->Weights();
  for (const NamedLinear& layer : LinearLayers(policy)) {
    if (layer.linear->lora_A == nullptr) continue;
    weights[layer.name + ".weight"] = layer.linear->MergedWeight();
  }
  return weights;
}

}  // namespace cohort::policy
