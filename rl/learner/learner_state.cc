// The members of Learner that concern its state between steps: setup, adapters, reference,
// optimizer, checkpoints.

#include <utility>

#include "policy/lora/frozen_base.h"
#include "policy/lora/lora.h"
#include "policy/lora/snapshot.h"
#include "policy/transformer/transformer.h"
#include "rl/learner/learner.h"

namespace cohort::rl {
namespace {

constexpr char kDropoutUpdates[] = "dropout/updates";

policy::WeightMap WithPrefix(const std::map<std::string, at::Tensor>& state,
                             const std::string& prefix) {
  policy::WeightMap found;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(prefix)) found[name.substr(prefix.size())] = tensor;
  }
  return found;
}

}  // namespace

Learner::Learner(const policy::ModelConfig& config, policy::WeightMap weights,
                 const LearnerOptions& options, std::shared_ptr<Ranks> ranks)
    : options_(options),
      ranks_(std::move(ranks)),
      policy_(std::make_shared<policy::TransformerImpl>(config)),
      memory_(*policy_, options) {
  if (options_.sampling_temperature <= 0) options_.sampling_temperature = 1;
  policy_->AdoptWeights(std::move(weights));
  policy_->train();
  MakeOptimizer();
}

void Learner::TrainAdapters(const policy::LoraConfig& lora, uint64_t seed) {
  policy::AttachLora(*policy_, lora, seed);
  UseAdapters(lora, seed);
}

void Learner::TrainAdapters(const policy::LoraAdapter& adapter, uint64_t seed) {
  policy::AttachLora(*policy_, adapter);
  UseAdapters(adapter.config, seed);
}

void Learner::KeepBase(policy::BaseFormat format, policy::WeightSource* published) {
  policy::KeepBase(*policy_, format, published);
}

void Learner::UseAdapters(const policy::LoraConfig& lora, uint64_t seed) {
  lora_ = lora;
  dropout_seed_ = seed;
  if (lora.dropout > 0) {
    draws_ = std::make_shared<policy::DropoutDraws>();
    draws_->share = lora.dropout;
    policy::DropLoraInputs(*policy_, draws_);
  }
  MakeOptimizer();
}

void Learner::PlaceOnDevice(policy::TransformerImpl& model) const {
  if (!options_.device.is_cpu()) model.to(options_.device);
  if (options_.compute_dtype != at::kFloat) model.to(options_.compute_dtype);
}

void Learner::MakeOptimizer() {
  if (!options_.optimizer.masters) policy_->KeepMatricesInBf16();
  std::vector<NamedParameter> parameters;
  for (const auto& parameter : policy_->named_parameters()) {
    if (!parameter.value().requires_grad()) continue;
    parameters.push_back({parameter.key(), parameter.value()});
    if (options_.compute_dtype != at::kFloat) {  // kept before PlaceOnDevice rounds the parameter
      parameters.back().master = parameter.value().detach().to(options_.device);
    }
  }
  PlaceOnDevice(*policy_);
  optimizer_ = std::make_unique<AdamW>(std::move(parameters), options_.optimizer);
}

void Learner::ResetOptimizer() { optimizer_->Reset(); }

void Learner::SetRouting(const RoutingOptions& routing) {
  options_.routing = routing;
  if (lora_.has_value()) return;  // only adapters are trained
  for (const auto& parameter : policy_->named_parameters()) {
    if (parameter.key().ends_with(".mlp.gate.weight") ||
        parameter.key().ends_with(".mlp.gate.bias")) {
      at::Tensor(parameter.value()).set_requires_grad(!routing.freeze_router);
    }
  }
}

std::string Learner::NonFiniteWeight() const {
  for (const auto& [name, tensor] :
       lora_.has_value() ? policy::LoraWeights(*policy_) : policy_->Weights()) {
    if (!tensor.isfinite().all().item<bool>()) return name;
  }
  return "";
}

void Learner::ResetReference() {
  DropReference();
  if (lora_.has_value()) {
    lora_reference_ = std::make_shared<policy::LoraSnapshot>(*policy_);
  } else {
    SetReference(Weights());
  }
}

void Learner::SetReference(const policy::WeightMap& weights) {
  reference_ = std::make_shared<policy::TransformerImpl>(policy_->config());
  if (!options_.optimizer.masters) reference_->KeepMatricesInBf16();
  PlaceOnDevice(*reference_);
  reference_->LoadWeights(weights);
  reference_->eval();
}

void Learner::DropReference() {
  reference_.reset();
  lora_reference_.reset();
}

policy::WeightMap Learner::Weights() const { return policy::MergedWeights(*policy_); }

policy::WeightMap Learner::DecoderWeights() const {
  return policy::WithoutMtpLayers(policy_->config(), Weights());
}

policy::WeightMap Learner::DecoderBase() const {
  return policy::WithoutMtpLayers(policy_->config(), policy_->Weights());
}

std::optional<policy::LoraAdapter> Learner::Adapter() const {
  if (!lora_.has_value()) return std::nullopt;
  return policy::LoraAdapter{*lora_, policy::LoraWeights(*policy_)};
}

std::map<std::string, at::Tensor> Learner::SaveState() const {
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] :
       lora_.has_value() ? policy::LoraWeights(*policy_) : policy_->Weights()) {
    state["policy/" + name] = tensor;
  }
  if (reference_ != nullptr) {
    for (const auto& [name, tensor] : reference_->Weights()) state["reference/" + name] = tensor;
  }
  if (lora_reference_ != nullptr) {
    for (const auto& [name, tensor] : lora_reference_->state()) state["reference/" + name] = tensor;
  }
  for (const auto& [name, tensor] : optimizer_->State()) state["adamw/" + name] = tensor;
  if (draws_ != nullptr) state[kDropoutUpdates] = at::full({1}, dropout_updates_, at::kLong);
  return state;
}

void Learner::LoadState(const std::map<std::string, at::Tensor>& state) {
  const policy::WeightMap own = WithPrefix(state, "policy/");
  lora_.has_value() ? policy::LoadLoraWeights(*policy_, own) : policy_->LoadWeights(own);
  const policy::WeightMap reference = WithPrefix(state, "reference/");
  if (policy::LoraSnapshot::IsState(reference)) {
    lora_reference_ = std::make_shared<policy::LoraSnapshot>(*policy_, reference);
  } else if (!reference.empty()) {
    SetReference(reference);  // of adapters too, in checkpoints that have it whole
  }
  optimizer_->LoadState(WithPrefix(state, "adamw/"));
  const auto updates = state.find(kDropoutUpdates);  // none where dropout came with a change
  dropout_updates_ = updates == state.end() ? 0 : updates->second.item<int64_t>();
}

}  // namespace cohort::rl
