// The updates. learner_state.cc has the learner's setup, reference, optimizer and checkpoints.

#include "rl/learner/learner.h"

#include <array>
#include <chrono>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/seconds_since.h"
#include "policy/config/rope_frequencies.h"
#include "policy/lora/snapshot.h"
#include "policy/transformer/ops/logprobs.h"
#include "policy/transformer/ops/numerics.h"
#include "policy/transformer/transformer.h"
#include "rl/learner/mtp_loss.h"
#include "rl/learner/replayed_routing.h"
#include "rl/learner/sft_loss.h"

namespace cohort::rl {
namespace {

using Clock = std::chrono::steady_clock;
policy::TokenLogprobs LogprobsOf(policy::TransformerImpl& model, const at::Tensor& hidden_TD,
                                 const MicroBatch& batch, double temperature) {
  return policy::ComputeTokenLogprobs(hidden_TD.index_select(0, batch.rows_N), model.head(),
                                      batch.targets_N, temperature);
}

// A sample whose advantage is 0 has no gradient without a KL term, and needs no forward.
bool HasGradient(const PolicyObjective& objective, const TrainingSequence& sequence) {
  return sequence.advantage != 0 || objective.needs_ref_logprobs;
}

// The T of the loss is the N of the batch: the completion tokens that count.
PolicyLossInputs LossInputs(const MicroBatch& batch, const at::Tensor& logprobs_N,
                            const StepTotals& totals) {
  PolicyLossInputs inputs;
  inputs.policy_logprobs_T = logprobs_N;
  inputs.old_logprobs_T = batch.old_logprobs_N;
  inputs.rollout_logprobs_T = batch.rollout_logprobs_N;
  inputs.ref_logprobs_T = batch.ref_logprobs_N;
  inputs.advantages_B = batch.advantages_B;
  inputs.sequence_index_T = batch.sequence_index_N;
  inputs.totals = totals;
  return inputs;
}

}  // namespace

UpdateReport Learner::PolicyUpdate(const PolicyObjective& objective,
                                   const std::vector<TrainingSequence>& sequences,
                                   double learning_rate) {
  const StepTotals totals = SumTotals(sequences);
  std::vector<TrainingSequence> trained, others;  // the others count in the totals
  for (const TrainingSequence& sequence : sequences) {
    (HasGradient(objective, sequence) ? trained : others).push_back(sequence);
  }
  if (!trained.empty()) CountLoad(others);
  return Update(trained, options_.sampling_temperature, learning_rate,
                [&](const Forwarded& forwarded, UpdateSums* sums) {
                  const PolicyLoss part =
                      objective.loss(LossInputs(forwarded.batch, forwarded.logprobs_N, totals));
                  sums->policy.Add(part.metrics);
                  return part.loss;
                });
}

int64_t Learner::LongBeyond() const {
  const policy::ModelConfig& config = policy_->config();
  return policy::ComputeRopeFrequencies(config.rope, config.attention.rotary_dim()).long_beyond;
}

// The selection bias balances what the experts are asked for, with or without a gradient.
void Learner::CountLoad(const std::vector<TrainingSequence>& sequences) {
  if (options_.routing.selection_bias_rate == 0 || lora_.has_value()) return;
  const at::NoGradGuard no_grad;
  const policy::NumericsScope numerics(options_.numerics);
  for (const std::vector<int64_t>& chosen :
       PlanMicroBatches(sequences, options_.max_tokens_per_microbatch, LongBeyond())) {
    const MicroBatch batch = PackMicroBatch(sequences, chosen, options_.device, LongBeyond());
    PrepareRouting(sequences, batch);
    policy_->forward(batch.tokens);
  }
}

UpdateReport Learner::SftUpdate(const std::vector<TrainingSequence>& sequences,
                                double learning_rate) {
  const StepTotals totals = SumTotals(sequences);
  const int64_t depths = policy_->config().num_mtp_layers;
  const double mtp_weight = options_.mtp_loss_weight;
  return Update(sequences, /*temperature=*/1.0, learning_rate,
                [&](const Forwarded& forwarded, UpdateSums* sums) {
                  const at::Tensor loss = SftLoss(forwarded.logprobs_N, totals);
                  if (depths == 0 || mtp_weight == 0) return loss;
                  const auto inputs = PackMtp(sequences, forwarded.batch, depths, options_.device);
                  const at::Tensor mtp =
                      mtp_weight * MtpLoss(*policy_, forwarded.hidden_TD, inputs, totals);
                  sums->mtp_loss = sums->mtp_loss.value_or(0) + mtp.item<double>();
                  return loss + mtp;
                });
}

UpdateReport Learner::Update(const std::vector<TrainingSequence>& sequences, double temperature,
                             double learning_rate, const MicroBatchLoss& loss) {
  const auto start = Clock::now();
  if (draws_ != nullptr) {
    draws_->seed = base::Checksum("dropout#" + std::to_string(dropout_seed_) + "#" +
                                  std::to_string(dropout_updates_++));
  }
  UpdateReport report = SumReport(*ranks_, ForwardBackward(sequences, temperature, loss));
  report.forward_backward_s = base::SecondsSince(start);
  if (report.trained_tokens == 0) return report;  // no gradient on any rank

  const auto update_start = Clock::now();
  ApplyGradients(learning_rate, &report);
  report.update_s = base::SecondsSince(update_start);
  return report;
}

void Learner::PrepareRouting(std::span<const TrainingSequence> sequences, const MicroBatch& batch) {
  policy_->CountExpertLoadOf(batch.load_rows_L);
  const at::Tensor experts_TLK =
      ReplayedExperts(sequences, batch, policy::RoutingFormatOf(policy_->config()));
  policy_->ReplayRouting(experts_TLK.defined() ? experts_TLK.to(options_.device) : experts_TLK);
}

// The loss is divided by the whole step's totals, so that the micro-batches' gradients add up.
UpdateSums Learner::ForwardBackward(const std::vector<TrainingSequence>& sequences,
                                    double temperature, const MicroBatchLoss& loss) {
  const policy::NumericsScope numerics(options_.numerics);
  UpdateSums sums;
  for (const std::vector<int64_t>& chosen :
       PlanMicroBatches(sequences, options_.max_tokens_per_microbatch, LongBeyond())) {
    const MicroBatch batch = PackMicroBatch(sequences, chosen, options_.device, LongBeyond());
    PrepareRouting(sequences, batch);
    if (draws_ != nullptr) draws_->keys_T = policy::PrefixKeys(batch.tokens);
    const at::Tensor hidden_TD = policy_->forward(batch.tokens);
    const policy::TokenLogprobs tokens = LogprobsOf(*policy_, hidden_TD, batch, temperature);
    sums.entropy += tokens.entropy_N.sum().item<double>();
    sums.entropy_tokens += tokens.entropy_N.numel();
    sums.trained_tokens += batch.tokens.ids_T.numel();
    const at::Tensor part = loss({batch, hidden_TD, tokens.logprobs_N}, &sums);
    sums.loss += part.item<double>();
    part.backward();
    optimizer_->AccumulateGradients();
  }
  const policy::GateImpl::GivenTokens replayed = policy_->TakeReplayedTokens();
  sums.replayed_tokens = replayed.count;
  sums.rerouted_tokens = replayed.differing;
  return sums;
}

void Learner::ApplyGradients(double learning_rate, UpdateReport* report) {
  optimizer_->SumGradients(*ranks_);
  const OptimizerStep step = optimizer_->Step(learning_rate);
  report->grad_norm = step.grad_norm;
  report->skipped = step.skipped;
  at::Tensor load_LE = policy_->TakeExpertLoad();
  if (!load_LE.defined()) return;
  load_LE = load_LE.to(at::kCPU).contiguous();
  ranks_->SumValues({load_LE.mutable_data_ptr<double>(), static_cast<size_t>(load_LE.numel())});
  // A layer that met no token, as multi-token prediction outside of SFT, has no busiest expert.
  report->busiest_expert = (load_LE / load_LE.mean(1, true).clamp_min(1e-9)).max().item<double>();
  const double rate = options_.routing.selection_bias_rate;
  if (step.skipped.empty() && !lora_.has_value() && rate > 0) {
    policy_->UpdateSelectionBias(load_LE, rate);
  }
}

StepTotals Learner::SumTotals(const std::vector<TrainingSequence>& sequences) {
  const StepTotals own = CountTotals(sequences);
  std::array<double, 2> counts = {static_cast<double>(own.num_tokens),
                                  static_cast<double>(own.num_samples)};
  ranks_->SumValues(counts);
  return {static_cast<int64_t>(counts[0]), static_cast<int64_t>(counts[1])};
}

std::vector<std::vector<float>> Learner::Logprobs(policy::TransformerImpl& model,
                                                  std::span<const TrainingSequence> sequences,
                                                  RoutedBy routed_by) {
  const at::NoGradGuard no_grad;
  const policy::NumericsScope numerics(options_.numerics);
  const bool training = model.is_training();
  model.eval();  // expert loads count training only
  std::vector<std::vector<float>> logprobs(sequences.size());
  for (const std::vector<int64_t>& chosen :
       PlanMicroBatches(sequences, options_.max_tokens_per_microbatch, LongBeyond())) {
    const MicroBatch batch = PackMicroBatch(sequences, chosen, options_.device, LongBeyond());
    if (routed_by == RoutedBy::kWorkers) {
      PrepareRouting(sequences, batch);
    } else {
      model.ReplayRouting({});
    }
    const at::Tensor hidden_TD = model.forward(batch.tokens);
    const at::Tensor logprobs_N =
        LogprobsOf(model, hidden_TD, batch, options_.sampling_temperature).logprobs_N;
    auto parts = UnpackTokens(sequences, batch, logprobs_N);
    for (size_t i = 0; i < parts.size(); ++i) {
      logprobs[static_cast<size_t>(batch.sequences_B[i])] = std::move(parts[i]);
    }
  }
  model.train(training);
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
  auto logprobs = Logprobs(*policy_, trained, RoutedBy::kWorkers);
  for (size_t i = 0; i < chosen.size(); ++i) {
    sequences[chosen[i]].old_logprobs = std::move(logprobs[i]);
  }
}

void Learner::RecordRefLogprobs(std::span<TrainingSequence> sequences) {
  COHORT_CHECK(reference_ != nullptr || lora_reference_ != nullptr, "there is no reference policy");
  std::vector<std::vector<float>> logprobs;
  if (lora_reference_ != nullptr) {
    const policy::LoraSnapshot::Scope as_then(*lora_reference_, *policy_);
    logprobs = Logprobs(*policy_, sequences, RoutedBy::kOwnGates);
  } else {
    logprobs = Logprobs(*reference_, sequences, RoutedBy::kOwnGates);
  }
  for (size_t i = 0; i < logprobs.size(); ++i) {
    sequences[i].ref_logprobs = std::move(logprobs[i]);
  }
}

}  // namespace cohort::rl
