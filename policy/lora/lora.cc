#include "policy/lora/lora.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "policy/lora/merge.h"
#include "policy/lora/site.h"

namespace cohort::policy {
namespace {

constexpr char kHead[] = "lm_head";

bool Matches(const std::string& name, const std::string& target) {
  if (target == kAllLinear) return name != kHead;
  return name == target || name.ends_with("." + target);
}

// The last part of every layer's name, once each.
std::vector<std::string> KindsOf(const std::vector<LoraSite>& sites) {
  std::set<std::string> kinds;
  for (const LoraSite& site : sites) {
    const std::string& name = site.names().front();
    kinds.insert(name.substr(name.rfind('.') + 1));
  }
  return {kinds.begin(), kinds.end()};
}

[[noreturn]] void RefuseTarget(const std::vector<LoraSite>& sites, const std::string& target) {
  const std::vector<std::string> kinds = KindsOf(sites);
  std::string list;
  for (const std::string& kind : kinds) list += kind + ", ";
  throw Error(ErrorCode::kUsage,
              "lora target '" + target + "' names no linear layer of this model" +
                  base::DidYouMean(target, kinds),
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

}  // namespace

void AttachLora(TransformerImpl& policy, const LoraConfig& config, uint64_t seed) {
  std::vector<LoraSite> sites = LoraSites(policy);
  std::set<size_t> targeted;
  for (const std::string& target : config.targets) {
    bool found = false;
    for (size_t i = 0; i < sites.size(); ++i) {
      if (!Names(target, sites[i])) continue;
      targeted.insert(i);
      found = true;
    }
    if (!found) RefuseTarget(sites, target);
  }
  for (const at::Tensor& parameter : policy.parameters())
    at::Tensor(parameter).requires_grad_(false);
  for (const size_t i : targeted) {
    sites[i].Attach(config.rank, config.scale());
    Draw(sites[i], seed);
  }
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
  AddAdapters(LoraWeights(policy), adapted->scale(), policy.config(), &weights);  // one for all
  return weights;
}

}  // namespace cohort::policy
