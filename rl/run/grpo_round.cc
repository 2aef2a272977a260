#include "rl/run/grpo_round.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/seconds_since.h"
#include "rl/evaluation/evaluation.h"
#include "rl/evaluation/moments.h"
#include "rl/objectives/policy_loss.h"
#include "rl/run/group_figures.h"
#include "rl/run/grpo_update.h"

namespace cohort::rl {
namespace {

using Clock = std::chrono::steady_clock;

void AddCollectFigures(const CollectStats& stats, StepMetrics* metrics) {
  metrics->completion_tokens = static_cast<int64_t>(stats.completion_tokens);
  metrics->reissued_samples = stats.reissued_samples;
  metrics->refused_completions = stats.refused_completions;
  metrics->worker_restarts = stats.restarts;
  metrics->decode_s = stats.decode_seconds;
  metrics->reward_s = stats.reward_seconds;
  metrics->decode_tokens_per_s =
      static_cast<double>(stats.completion_tokens) / std::max(1e-9, stats.decode_seconds);
}

// The sums over the optimizer steps of one step.
struct UpdateTotals {
  PolicyLossMetrics policy;
  Moments loss, grad_norm, entropy;  // of the optimizer steps that trained on something
  int64_t trained_tokens = 0, skipped = 0;
  int64_t replayed_tokens = 0, rerouted_tokens = 0;
  double forward_backward_s = 0, update_s = 0;
  double busiest_expert = 0;  // of the last optimizer step

  void Add(const UpdateReport& report) {
    if (report.trained_tokens == 0) return;  // all advantages were 0
    policy.Add(report.policy);
    loss.Add(report.loss);
    grad_norm.Add(report.grad_norm);
    entropy.Add(report.entropy);
    trained_tokens += report.trained_tokens;
    replayed_tokens += report.replayed_tokens;
    rerouted_tokens += report.rerouted_tokens;
    skipped += report.skipped.empty() ? 0 : 1;
    forward_backward_s += report.forward_backward_s;
    update_s += report.update_s;
    busiest_expert = report.busiest_expert;
  }
};

void AddUpdateFigures(const UpdateTotals& totals, double train_s, StepMetrics* metrics) {
  if (totals.policy.num_tokens > 0) {  // what nobody computed is absent, not 0
    metrics->loss = totals.loss.mean();
    metrics->kl = totals.policy.kl();
    metrics->clip_fraction = totals.policy.clip_fraction();
    metrics->ratio_mean = totals.policy.ratio_mean();
    metrics->ratio_max = totals.policy.ratio_max;
    metrics->entropy = totals.entropy.mean();
    metrics->grad_norm = totals.grad_norm.mean();
  }
  if (totals.policy.gap_tokens > 0) {
    metrics->logprob_gap_mean = totals.policy.gap_mean();
    metrics->logprob_gap_max = totals.policy.gap_max;
  }
  if (totals.replayed_tokens > 0) {
    metrics->rerouted_share =
        static_cast<double>(totals.rerouted_tokens) / static_cast<double>(totals.replayed_tokens);
  }
  metrics->skipped_updates = totals.skipped;
  metrics->trained_tokens = totals.trained_tokens;
  if (totals.busiest_expert > 0) metrics->busiest_expert = totals.busiest_expert;
  metrics->forward_backward_s = totals.forward_backward_s;
  metrics->update_s = totals.update_s;
  metrics->train_s = train_s;
  if (totals.trained_tokens > 0) {
    metrics->train_tokens_per_s =
        static_cast<double>(totals.trained_tokens) / std::max(1e-9, train_s);
  }
}

}  // namespace

GrpoRound::GrpoRound(RunContext& context, const proto::RoundSpec& spec,
                     const proto::Objective& objective)
    : context_(context),
      spec_(spec),
      objective_(objective),
      policy_objective_(MakePolicyObjective(objective)),
      buffer_(spec.prompts_per_step(), /*staleness=*/0) {}

void GrpoRound::Begin() {
  if (policy_objective_.needs_ref_logprobs) context_.learner.ResetReference();
}

// With a staleness of 0 all groups are there when Collect returns, and the buffer only counts; it
// is the hand-over to asynchronous rounds, which are not built yet.
StepWork GrpoRound::Take() {
  const int64_t policy_version = context_.progress.policy_version;
  buffer_.Reserve(spec_.prompts_per_step());
  rollout::Sampling sampling = context_.rollouts.sampling();
  sampling.record_routing = context_.recipe.rollout().routing_replay();
  CollectedGroups collected =
      context_.rollouts.Collect(NextEpisodeGroups(context_, spec_), sampling);
  for (EpisodeGroup& group : collected.groups) buffer_.Put(std::move(group));
  std::vector<EpisodeGroup> groups =
      buffer_.Take(spec_.prompts_per_step(), std::chrono::milliseconds(0));

  std::vector<GroupAdvantages> advantages = AdvantagesOf(objective_, groups);
  StepWork work;
  work.sequences = TrainingSequences(groups, advantages);
  work.record.metrics = GroupFigures(groups, DecidingReward(context_.recipe));
  work.record.metrics.policy_version = policy_version;
  AddCollectFigures(collected.stats, &work.record.metrics);
  work.record.samples = KeepSamples(groups, advantages);
  JournalEntry& entry = work.record.entry;
  entry.objective = objective_;
  entry.temperature = context_.recipe.rollout().temperature();
  entry.groups = std::move(groups);
  entry.advantages = std::move(advantages);
  return work;
}

StepRecord GrpoRound::Update(StepWork work) {
  const auto start = Clock::now();
  const int64_t total_updates = int64_t{spec_.steps()} * spec_.updates_per_step();
  std::vector<double> learning_rates;
  for (int i = 0; i < spec_.updates_per_step(); ++i) {
    learning_rates.push_back(NextLearningRate(context_, spec_, total_updates));
    ++context_.progress.updates_in_round;
    ++context_.progress.policy_version;
  }
  StepRecord record = std::move(work.record);
  record.entry.updates =
      GrpoUpdates(context_.learner, policy_objective_, std::move(work.sequences), learning_rates);
  UpdateTotals totals;
  for (const JournalUpdate& update : record.entry.updates) totals.Add(update.report);
  record.metrics.learning_rate = learning_rates.back();
  AddUpdateFigures(totals, base::SecondsSince(start), &record.metrics);
  return record;
}

}  // namespace cohort::rl
