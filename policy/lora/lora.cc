#include "policy/lora/lora.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "policy/lora/merge.h"
#include "policy/lora/site.h"
#include "policy/weights/stored_tensors.h"

namespace cohort::policy {
namespace {

constexpr char kHead[] = "lm_head";

bool Matches(const std::string& name, const std::string& target) {
  if (target == kAllLinear) return name != kHead;
  return name == target || name.ends_with("." + target);
}

// The last `parts` parts of every layer's name, once each.
std::vector<std::string> KindsOf(const std::vector<LoraSite>& sites, int64_t parts) {
  std::set<std::string> kinds;
  for (const LoraSite& site : sites) {
    const std::string& name = site.names().front();
    size_t start = name.size();
    for (int64_t i = 0; i < parts && start != std::string::npos && start > 0; ++i) {
      start = name.rfind('.', start - 1);
    }
    kinds.insert(start == std::string::npos ? name : name.substr(start + 1));
  }
  return {kinds.begin(), kinds.end()};
}

// "self_attn.QProj" is near to "self_attn.q_proj", "layers.0.q_proj" to "q_proj".
std::string NearestTarget(const std::vector<LoraSite>& sites, const std::string& target) {
  std::string lower = target;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::vector<std::string> near = KindsOf(sites, 1 + std::count(lower.begin(), lower.end(), '.'));
  near.push_back(kAllLinear);
  const std::string found = base::DidYouMean(lower, near);
  if (!found.empty() || lower.find('.') == std::string::npos) return found;
  return base::DidYouMean(lower.substr(lower.rfind('.') + 1), KindsOf(sites, 1));
}

[[noreturn]] void RefuseTarget(const std::vector<LoraSite>& sites, const std::string& target) {
  const std::vector<std::string> kinds = KindsOf(sites, 1);
  std::string list;
  for (const std::string& kind : kinds) list += kind + ", ";
  throw Error(ErrorCode::kUsage,
              "lora target '" + target + "' names no linear layer of this model" +
                  NearestTarget(sites, target),
              "it has " + list + "or " + kAllLinear + " for all but the head");
}

// True when `target` names the site. A layer's experts have their adapters in one tensor, so it
// cannot name some of them alone.
bool Names(const std::string& target, const LoraSite& site) {
  const std::vector<std::string>& names = site.names();
  const auto named = std::count_if(names.begin(), names.end(),
                                   [&](const std::string& name) { return Matches(name, target); });
  if (named == 0 || named == static_cast<int64_t>(names.size())) return named > 0;
  throw Error(ErrorCode::kUsage,
              "lora target '" + target + "' names some experts of a layer and not the others",
              "name the projection of all, " + names.front().substr(names.front().rfind('.') + 1));
}

// A stream of its own for every linear layer: another target leaves the others as they were.
void Draw(const LoraSite& site, uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < site.names().size(); ++i) {
    at::Generator generator = at::detail::createCPUGenerator(
        base::Checksum(site.names()[i] + ".lora_A#" + std::to_string(seed)));
    at::Tensor a = site.A(i);
    const double bound = 1.0 / std::sqrt(static_cast<double>(a.size(1)));
    a.copy_(at::empty(a.sizes()).uniform_(-bound, bound, generator));
    site.B(i).zero_();
  }
}

// Those that the targets name, in their order in the model.
std::vector<LoraSite> TargetedSites(const TransformerImpl& policy,
                                    const std::vector<std::string>& targets) {
  const std::vector<LoraSite> sites = LoraSites(policy);
  std::set<size_t> targeted;
  for (const std::string& target : targets) {
    bool found = false;
    for (size_t i = 0; i < sites.size(); ++i) {
      if (!Names(target, sites[i])) continue;
      targeted.insert(i);
      found = true;
    }
    if (!found) RefuseTarget(sites, target);
  }
  std::vector<LoraSite> chosen;
  for (const size_t i : targeted) chosen.push_back(sites[i]);
  return chosen;
}

// Those that the adapters are of.
std::vector<LoraSite> AdaptedSites(const TransformerImpl& policy, const WeightMap& adapters) {
  std::set<std::string> modules;
  for (const auto& [name, tensor] : adapters) modules.insert(AdaptedModule(name));
  std::vector<LoraSite> chosen;
  std::vector<std::string> names;
  for (const LoraSite& site : LoraSites(policy)) {
    size_t found = 0;
    for (const std::string& name : site.names()) found += modules.erase(name);
    names.insert(names.end(), site.names().begin(), site.names().end());
    if (found == 0) continue;
    if (found < site.names().size()) {
      throw Error(ErrorCode::kUsage, "the adapter adapts some experts of " + site.names().front() +
                                         "'s layer and not the others, which cannot be trained");
    }
    chosen.push_back(site);
  }
  if (modules.empty()) return chosen;
  throw Error(ErrorCode::kUsage, "the adapter of " + *modules.begin() +
                                     " has no linear layer in this model" +
                                     base::DidYouMean(*modules.begin(), names));
}

void Freeze(const TransformerImpl& policy) {
  for (const at::Tensor& parameter : policy.parameters()) {
    at::Tensor(parameter).requires_grad_(false);
  }
}

// A model that has shapes and no memory.
Transformer WithoutMemory(const ModelConfig& config) {
  return Transformer(config, at::TensorOptions().device(at::kMeta));
}

}  // namespace

void AttachLora(TransformerImpl& policy, const LoraConfig& config, uint64_t seed) {
  std::vector<LoraSite> sites = TargetedSites(policy, config.targets);
  Freeze(policy);
  for (LoraSite& site : sites) {
    site.Attach(config.rank, config.scale());
    Draw(site, seed);
  }
}

void AttachLora(TransformerImpl& policy, const LoraAdapter& adapter) {
  std::vector<LoraSite> sites = AdaptedSites(policy, adapter.weights);
  Freeze(policy);
  for (LoraSite& site : sites) site.Attach(adapter.config.rank, adapter.config.scale());
  LoadLoraWeights(policy, adapter.weights);
}

void DropLoraInputs(TransformerImpl& policy, std::shared_ptr<const DropoutDraws> draws) {
  for (LoraSite& site : LoraSites(policy)) {
    if (!site.attached()) continue;
    if (site.names().front() == kHead) {
      throw Error(ErrorCode::kUsage, "an adapter of lm_head has no dropout",
                  "set the dropout to 0, or leave lm_head out of the targets");
    }
    site.DropInputs(draws);
  }
}

std::vector<std::string> LoraModules(const ModelConfig& config,
                                     const std::vector<std::string>& targets) {
  const Transformer model = WithoutMemory(config);
  std::vector<std::string> modules;
  for (const LoraSite& site : TargetedSites(*model, targets)) {
    modules.insert(modules.end(), site.names().begin(), site.names().end());
  }
  return modules;
}

void CheckAdapter(const ModelConfig& config, const LoraAdapter& adapter) {
  Transformer model = WithoutMemory(config);
  AttachLora(*model, adapter);
}

WeightMap LoraWeights(const TransformerImpl& policy) {
  WeightMap out;
  for (const LoraSite& site : LoraSites(policy)) {
    if (!site.attached()) continue;
    for (size_t i = 0; i < site.names().size(); ++i) {
      out[site.names()[i] + std::string(kLoraDown)] = site.A(i).detach();
      out[site.names()[i] + std::string(kLoraUp)] = site.B(i).detach();
    }
  }
  return out;
}

void LoadLoraWeights(TransformerImpl& policy, const WeightMap& adapters) {
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

WeightMap MergedWeights(const TransformerImpl& policy) {
  WeightMap weights = policy.Weights();
  const std::vector<LoraSite> sites = LoraSites(policy);
  const auto adapted = std::find_if(sites.begin(), sites.end(),
                                    [](const LoraSite& site) { return site.attached(); });
  if (adapted == sites.end()) return weights;
  const WeightMap adapters = LoraWeights(policy);
  // A number of a base that is kept in bf16, with an fp32 adapter added, is none of bf16.
  const at::ScalarType dtype = adapters.begin()->second.scalar_type();
  for (auto& [name, tensor] : weights) {
    if (tensor.scalar_type() == dtype || tensor.dim() < 2) continue;
    for (const StoredTensor& layer : LinearLayers(policy.config(), name, tensor)) {
      const std::string module = layer.name.substr(0, layer.name.rfind('.'));
      if (!adapters.contains(module + std::string(kLoraDown))) continue;
      tensor = tensor.to(dtype);
      break;
    }
  }
  AddAdapters(adapters, adapted->scale(), policy.config(), &weights);  // one for all
  return weights;
}

}  // namespace cohort::policy
