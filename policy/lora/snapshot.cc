#include "policy/lora/snapshot.h"

#include <utility>

#include "base/error.h"

namespace cohort::policy {
namespace {

constexpr char kBase[] = "base", kAdapter[] = ".lora_", kUp[] = ".lora_B";

bool IsOfAdapter(const std::string& name) { return name.find(kAdapter) != std::string::npos; }

LoraSnapshot::State Adapters(const TransformerImpl& policy) {
  LoraSnapshot::State adapters;
  for (const auto& item : policy.named_parameters()) {
    if (IsOfAdapter(item.key())) adapters.emplace(item.key(), item.value());
  }
  return adapters;
}

}  // namespace

LoraSnapshot::LoraSnapshot(const TransformerImpl& policy) {
  const at::NoGradGuard no_grad;
  const State own = Adapters(policy);
  bool changes = false;
  for (const auto& [name, tensor] : own) {
    changes = changes || (name.find(kUp) != std::string::npos && tensor.any().item<bool>());
  }
  if (!changes) return;
  for (const auto& [name, tensor] : own) values_.emplace(name, tensor.detach().clone());
}

LoraSnapshot::LoraSnapshot(const TransformerImpl& policy, const State& state) {
  if (state.contains(kBase)) return;
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : Adapters(policy)) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != tensor.sizes()) {
      throw Error(ErrorCode::kUsage, "the reference's adapters do not fit the policy: " + name +
                                         " is missing or has another shape");
    }
    values_.emplace(name, at::empty_like(tensor).copy_(found->second));
  }
}

bool LoraSnapshot::IsState(const State& tensors) {
  return !tensors.empty() && (tensors.contains(kBase) || IsOfAdapter(tensors.begin()->first));
}

LoraSnapshot::State LoraSnapshot::state() const {
  if (is_base()) return {{kBase, at::ones({1})}};
  return values_;
}

LoraSnapshot::Scope::Scope(const LoraSnapshot& then, TransformerImpl& policy)
    : policy_(policy), others_(then.values_) {
  others_.empty() ? UseLora(false) : Exchange();
}

LoraSnapshot::Scope::~Scope() { others_.empty() ? UseLora(true) : Exchange(); }

void LoraSnapshot::Scope::Exchange() {
  for (auto& item : policy_.named_parameters()) {
    const auto other = others_.find(item.key());
    if (other == others_.end()) continue;
    at::Tensor own = item.value().variable_data();
    item.value().set_data(other->second);
    other->second = std::move(own);
  }
}

void LoraSnapshot::Scope::UseLora(bool use) {
  for (const auto& module : policy_.modules()) {
    if (auto* linear = module->as<LinearImpl>()) linear->UseLora(use);
    if (auto* experts = module->as<ExpertsImpl>()) experts->UseLora(use);
  }
}

}  // namespace cohort::policy
