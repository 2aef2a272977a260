#include "rl/run/grpo_round.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <span>
#include <utility>

#include "base/seconds_since.h"
#include "rl/evaluation/evaluation.h"
#include "rl/learner/learner.h"
#include "rl/objectives/advantages.h"
#include "rl/objectives/policy_loss.h"
#include "rl/run/group_figures.h"
#include "rl/evaluation/moments.h"

namespace cohort::rl {
namespace {

using Clock = std::chrono::steady_clock;
GroupAdvantages AdvantagesOf(const proto::Objective& objective, const EpisodeGroup& group) {
  std::vector<std::optional<double>> rewards;
  for (const Episode& episode : group.episodes) rewards.push_back(episode.reward());
  return ComputeAdvantages(objective, rewards);
}

// The samples that have an advantage, ready to train on.
std::vector<TrainingSequence> TrainingSequences(const std::vector<EpisodeGroup>& groups,
                                                const std::vector<GroupAdvantages>& advantages) {
  std::vector<TrainingSequence> sequences;
  for (size_t g = 0; g < groups.size(); ++g) {
    const std::vector<int32_t>& prompt_ids = groups[g].problem->prompt_ids;
    for (size_t i = 0; i < groups[g].episodes.size(); ++i) {
      if (!advantages[g][i].has_value()) continue;
      const Episode& episode = groups[g].episodes[i];
      TrainingSequence& sequence = sequences.emplace_back();
      sequence.ids = prompt_ids;
      sequence.prompt_length = static_cast<int64_t>(prompt_ids.size());
      sequence.ids.insert(sequence.ids.end(), episode.completion_ids.begin(),
                          episode.completion_ids.end());
      sequence.rollout_logprobs = episode.rollout_logprobs;
      sequence.advantage = *advantages[g][i];
    }
  }
  MarkCommonPrompts(sequences);
  return sequences;
}

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
  double forward_backward_s = 0, update_s = 0;
  double busiest_expert = 0;  // of the last optimizer step

  void Add(const UpdateReport& report) {
    if (report.trained_tokens == 0) return;  // all advantages were 0
    policy.Add(report.policy);
    loss.Add(report.loss);
    grad_norm.Add(report.grad_norm);
    entropy.Add(report.entropy);
    trained_tokens += report.trained_tokens;
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
  CollectedGroups collected =
      context_.rollouts.Collect(NextEpisodeGroups(context_, spec_), context_.rollouts.sampling());
  for (EpisodeGroup& group : collected.groups) buffer_.Put(std::move(group));
  const std::vector<EpisodeGroup> groups =
      buffer_.Take(spec_.prompts_per_step(), std::chrono::milliseconds(0));

  std::vector<GroupAdvantages> advantages;
  for (const EpisodeGroup& group : groups) advantages.push_back(AdvantagesOf(objective_, group));
  StepWork work;
  work.sequences = TrainingSequences(groups, advantages);
  work.record.metrics = GroupFigures(groups, DecidingReward(context_.recipe));
  work.record.metrics.policy_version = policy_version;
  AddCollectFigures(collected.stats, &work.record.metrics);
  work.record.samples = KeepSamples(groups, advantages);
  return work;
}

// Optimizer steps over consecutive slices of the sequences.
StepRecord GrpoRound::Update(StepWork work) {
  const auto start = Clock::now();
  const auto parts = static_cast<size_t>(spec_.updates_per_step());
  const int64_t total_updates = int64_t{spec_.steps()} * spec_.updates_per_step();
  std::vector<TrainingSequence>& sequences = work.sequences;
  Learner& learner = context_.learner;
  if (policy_objective_.needs_ref_logprobs) learner.RecordRefLogprobs(sequences);
  // The first slice sees the policy that the batch started from; the later ones need to know it.
  learner.RecordOldLogprobs(policy_objective_,
                            std::span(sequences).subspan(sequences.size() / parts));

  StepRecord record = std::move(work.record);
  UpdateTotals totals;
  for (size_t part = 0; part < parts; ++part) {
    const auto at = [&](size_t k) {
      return std::make_move_iterator(sequences.begin() +
                                     static_cast<ptrdiff_t>(sequences.size() * k / parts));
    };
    const std::vector<TrainingSequence> slice(at(part), at(part + 1));
    const double learning_rate = NextLearningRate(context_, spec_, total_updates);
    totals.Add(learner.PolicyUpdate(policy_objective_, slice, learning_rate));
    ++context_.progress.updates_in_round;
    ++context_.progress.policy_version;
    record.metrics.learning_rate = learning_rate;
  }
  AddUpdateFigures(totals, base::SecondsSince(start), &record.metrics);
  return record;
}

}  // namespace cohort::rl
