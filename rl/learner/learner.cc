#include "rl/learner/learner.h"

#include <chrono>

#include "base/error.h"
#include "policy/transformer/ops/logprobs.h"
#include "rl/learner/mtp_loss.h"
#include "rl/learner/sft_loss.h"

namespace cohort::rl {
namespace {

using Clock = std::chrono::steady_clock;
double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

policy::TokenLogprobs LogprobsOf(policy::Transformer& model, const at::Tensor& hidden_TD,
                                 const MicroBatch& batch, double temperature) {
  return policy::ComputeTokenLogprobs(hidden_TD.index_select(0, batch.rows_N), model->head_weight(),
                                      batch.targets_N, temperature);
}

// A sample whose advantage is 0 has no gradient without a KL term, and needs no forward.
bool HasGradient(const PolicyObjective& objective, const TrainingSequence& sequence) {
  return sequence.advantage != 0 || objective.needs_ref_logprobs;
}

AdamWOptions OptimizerOptions(const proto::Optimizer& options) {
  return {options.beta1(), options.beta2(), options.epsilon(), options.weight_decay(),
          options.max_grad_norm()};
}

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
                 const proto::Optimizer& options, double sampling_temperature,
                 double mtp_loss_weight)
    : options_(options),
      temperature_(sampling_temperature > 0 ? sampling_temperature : 1),
      mtp_loss_weight_(mtp_loss_weight),
      policy_(config) {
  policy_->AdoptWeights(std::move(weights));
  policy_->train();
  ResetOptimizer();
}

void Learner::TrainAdapters(const policy::LoraConfig& lora, uint64_t seed) {
  policy::AttachLora(policy_, lora, seed);
  lora_ = lora;
  ResetOptimizer();
}

std::optional<policy::LoraAdapter> Learner::Adapter() const {
  if (!lora_.has_value()) return std::nullopt;
  return policy::LoraAdapter{*lora_, policy::LoraWeights(policy_)};
}

UpdateReport Learner::Update(const std::vector<TrainingSequence>& sequences, double temperature,
                             double learning_rate, const MicroBatchLoss& loss) {
  UpdateReport report;
  const auto start = Clock::now();
  double entropy_sum = 0;
  int64_t entropy_tokens = 0;
  for (const std::vector<int64_t>& chosen :
       PlanMicroBatches(sequences, options_.max_tokens_per_microbatch())) {
    const MicroBatch batch = PackMicroBatch(sequences, chosen);
    const at::Tensor hidden_TD = policy_->forward(batch.tokens);
    const policy::TokenLogprobs tokens = LogprobsOf(policy_, hidden_TD, batch, temperature);
    entropy_sum += tokens.entropy_N.sum().item<double>();
    entropy_tokens += tokens.entropy_N.numel();
    report.trained_tokens += batch.tokens.ids_T.numel();
    const at::Tensor part = loss({batch, hidden_TD, tokens.logprobs_N}, &report);
    report.loss += part.item<double>();
    part.backward();
  }
  report.entropy = entropy_tokens == 0 ? 0 : entropy_sum / static_cast<double>(entropy_tokens);
  report.forward_backward_s = SecondsSince(start);
  if (report.trained_tokens == 0) return report;  // no gradient anywhere

  const auto update_start = Clock::now();
  const at::Tensor load_LE = policy_->TakeExpertLoad();
  const OptimizerStep step = optimizer_->Step(learning_rate);
  report.grad_norm = step.grad_norm;
  report.skipped = step.skipped;
  if (load_LE.defined()) {
    // A layer that met no token, as multi-token prediction outside of SFT, has no busiest expert.
    report.busiest_expert = (load_LE / load_LE.mean(1, true).clamp_min(1e-9)).max().item<double>();
    if (step.skipped.empty() && !lora_.has_value()) {
      policy_->UpdateSelectionBias(load_LE, options_.selection_bias_rate());
    }
  }
  report.update_s = SecondsSince(update_start);
  return report;
}

UpdateReport Learner::PolicyUpdate(const PolicyObjective& objective,
                                   const std::vector<TrainingSequence>& sequences,
                                   double learning_rate) {
  const StepTotals totals = CountTotals(sequences);
  std::vector<TrainingSequence> trained;  // the others count in the totals
  for (const TrainingSequence& sequence : sequences) {
    if (HasGradient(objective, sequence)) trained.push_back(sequence);
  }
  return Update(trained, temperature_, learning_rate,
                [&](const Forwarded& forwarded, UpdateReport* report) {
                  const MicroBatch& batch = forwarded.batch;
                  PolicyLossInputs inputs;
                  inputs.policy_logprobs_T = forwarded.logprobs_N;
                  inputs.old_logprobs_T = batch.old_logprobs_N;
                  inputs.rollout_logprobs_T = batch.rollout_logprobs_N;
                  inputs.ref_logprobs_T = batch.ref_logprobs_N;
                  inputs.advantages_B = batch.advantages_B;
                  inputs.sequence_index_T = batch.sequence_index_N;
                  inputs.totals = totals;
                  const PolicyLoss part = objective.loss(inputs);
                  report->policy.Add(part.metrics);
                  return part.loss;
                });
}

UpdateReport Learner::SftUpdate(const std::vector<TrainingSequence>& sequences,
                                double learning_rate) {
  const StepTotals totals = CountTotals(sequences);
  const int64_t depths = policy_->config().num_mtp_layers;
  return Update(
      sequences, 1.0, learning_rate, [&](const Forwarded& forwarded, UpdateReport* report) {
        const at::Tensor loss = SftLoss(forwarded.logprobs_N, totals);
        if (depths == 0 || mtp_loss_weight_ == 0) return loss;
        const at::Tensor mtp =
            mtp_loss_weight_ * MtpLoss(policy_, forwarded.hidden_TD,
                                       PackMtp(sequences, forwarded.batch, depths), totals);
        report->mtp_loss = report->mtp_loss.value_or(0) + mtp.item<double>();
        return loss + mtp;
      });
}

std::vector<std::vector<float>> Learner::Logprobs(policy::Transformer& model,
                                                  std::span<const TrainingSequence> sequences) {
  const torch::NoGradGuard no_grad;
  const bool training = model->is_training();
  model->eval();  // expert loads count training only
  std::vector<std::vector<float>> logprobs(sequences.size());
  for (const std::vector<int64_t>& chosen :
       PlanMicroBatches(sequences, options_.max_tokens_per_microbatch())) {
    const MicroBatch batch = PackMicroBatch(sequences, chosen);
    const at::Tensor logprobs_N =
        LogprobsOf(model, model->forward(batch.tokens), batch, temperature_).logprobs_N;
    auto parts = UnpackTokens(sequences, batch, logprobs_N);
    for (size_t i = 0; i < parts.size(); ++i) {
      logprobs[static_cast<size_t>(batch.sequences_B[i])] = std::move(parts[i]);
    }
  }
  model->train(training);
  return logprobs;
}

void Learner::RecordOldLogprobs(const PolicyObjective& objective,
                                std::span<TrainingSequence> sequences) {
  std::vector<size_t> chosen;
  std::vector<TrainingSequence> trained;
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (!HasGradient(objective, sequences[i])) continue;
    chosen.push_back(i);
    trained.push_back(sequences[i]);
  }
  auto logprobs = Logprobs(policy_, trained);
  for (size_t i = 0; i < chosen.size(); ++i) {
    sequences[chosen[i]].old_logprobs = std::move(logprobs[i]);
  }
}

void Learner::RecordRefLogprobs(std::span<TrainingSequence> sequences) {
  COHORT_CHECK(!reference_.is_empty(), "there is no reference policy");
  auto logprobs = Logprobs(reference_, sequences);
  for (size_t i = 0; i < logprobs.size(); ++i) {
    sequences[i].ref_logprobs = std::move(logprobs[i]);
  }
}

void Learner::ResetReference() {
  reference_ = policy::Transformer(policy_->config());
  reference_->LoadWeights(Weights());
  reference_->eval();
}

void Learner::DropReference() { reference_ = policy::Transformer(nullptr); }

void Learner::ResetOptimizer() {
  std::vector<NamedParameter> parameters;
  for (const auto& parameter : policy_->named_parameters()) {
    if (parameter.value().requires_grad()) {
      parameters.push_back({parameter.key(), parameter.value()});
    }
  }
  optimizer_ = std::make_unique<AdamW>(std::move(parameters), OptimizerOptions(options_));
}

std::map<std::string, at::Tensor> Learner::SaveState() const {
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] :
       lora_.has_value() ? policy::LoraWeights(policy_) : policy_->Weights()) {
    state["policy/" + name] = tensor;
  }
  if (!reference_.is_empty()) {
    for (const auto& [name, tensor] : reference_->Weights()) state["reference/" + name] = tensor;
  }
  for (const auto& [name, tensor] : optimizer_->State()) state["adamw/" + name] = tensor;
  return state;
}

void Learner::LoadState(const std::map<std::string, at::Tensor>& state) {
  const policy::WeightMap own = WithPrefix(state, "policy/");
  lora_.has_value() ? policy::LoadLoraWeights(policy_, own) : policy_->LoadWeights(own);
  const policy::WeightMap reference = WithPrefix(state, "reference/");
  if (!reference.empty()) {
    ResetReference();
    reference_->LoadWeights(reference);
  }
  optimizer_->LoadState(WithPrefix(state, "adamw/"));
}

}  // namespace cohort::rl
