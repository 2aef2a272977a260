#include "rl/run/grpo_step.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "rl/objectives/advantages.h"

namespace cohort::rl {
namespace {

using Clock = std::chrono::steady_clock;
double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Moments {
  double sum = 0, squares = 0;
  int64_t count = 0;
  void Add(double value) {
    sum += value;
    squares += value * value;
    ++count;
  }
  double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
  double deviation() const {
    return count == 0
               ? 0
               : std::sqrt(std::max(0.0, squares / static_cast<double>(count) - mean() * mean()));
  }
};

using GroupAdvantages = std::vector<std::optional<double>>;

GroupAdvantages AdvantagesOf(const Objective& objective, const Group& group) {
  std::vector<std::optional<double>> rewards;
  for (const Sample& sample : group.samples) {
    rewards.push_back(sample.reward_ok ? std::optional<double>(sample.reward) : std::nullopt);
  }
  return ComputeAdvantages(objective, rewards);
}

// The samples that have an advantage, ready to train on.
std::vector<TrainingSequence> TrainingSequences(const std::vector<Group>& groups,
                                                const std::vector<GroupAdvantages>& advantages) {
  std::vector<TrainingSequence> sequences;
  for (size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    for (size_t i = 0; i < group.samples.size(); ++i) {
      if (!advantages[g][i].has_value()) continue;
      TrainingSequence sequence;
      sequence.ids = group.task.prompt_ids;
      sequence.prompt_length = static_cast<int64_t>(sequence.ids.size());
      const Sample& sample = group.samples[i];
      sequence.ids.insert(sequence.ids.end(), sample.ids.begin(), sample.ids.end());
      sequence.rollout_logprobs = sample.rollout_logprobs;
      sequence.advantage = *advantages[g][i];
      sequences.push_back(std::move(sequence));
    }
  }
  return sequences;
}

// Rewards, lengths and failures of the collected groups: metrics, progress line and symptoms.
void DescribeGroups(const std::vector<Group>& groups, const proto::Round& round,
                    const proto::Recipe& recipe, StepOutcome* outcome) {
  Moments rewards, lengths;
  std::map<std::string, Moments> components;
  StepSymptoms& symptoms = outcome->symptoms;
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
  std::vector<double> flat_rewards;
  int64_t without_reward = 0;
  for (const Group& group : groups) {
    double group_low = std::numeric_limits<double>::infinity(), group_high = -group_low;
    for (const Sample& sample : group.samples) {
      ++symptoms.samples;
      lengths.Add(static_cast<double>(sample.ids.size()));
      symptoms.truncated_samples += sample.finish_reason == rollout::FinishReason::kLength ? 1 : 0;
      for (const RewardComponent& component : sample.components) {
        if (component.ok) components[component.name].Add(component.score);
      }
      if (!sample.reward_ok) {
        ++(sample.reward_applies ? symptoms.failed_rewards : without_reward);
        continue;
      }
      rewards.Add(sample.reward);
      group_low = std::min(group_low, sample.reward);
      group_high = std::max(group_high, sample.reward);
    }
    lowest = std::min(lowest, group_low);
    highest = std::max(highest, group_high);
    if (group_low == group_high) flat_rewards.push_back(group_low);  // not where none was graded
  }
  symptoms.groups = static_cast<int64_t>(groups.size());
  symptoms.zero_variance_groups = static_cast<int64_t>(flat_rewards.size());
  for (const double reward : flat_rewards) {
    if (reward >= highest && highest > lowest) ++symptoms.all_right_groups;
    if (reward <= lowest) ++symptoms.all_wrong_groups;
  }
  symptoms.group_size = round.group_size();
  symptoms.max_new_tokens = recipe.rollout().max_new_tokens();
  symptoms.temperature = recipe.rollout().temperature();

  nlohmann::json& row = outcome->metrics;
  if (rewards.count > 0) {
    row["reward_mean"] = rewards.mean();
    row["reward_std"] = rewards.deviation();
    outcome->shown.reward_mean = rewards.mean();
    outcome->shown.reward_std = rewards.deviation();
  }
  for (const auto& [name, moments] : components) {
    row["rewards"][name] = {
        {"mean", moments.mean()}, {"std", moments.deviation()}, {"count", moments.count}};
  }
  row["completion_length_mean"] = lengths.mean();
  row["groups"] = symptoms.groups;
  row["zero_variance_groups"] = symptoms.zero_variance_groups;
  row["truncated_samples"] = symptoms.truncated_samples;
  row["failed_rewards"] = symptoms.failed_rewards;
  row["not_applicable_rewards"] = without_reward;
  outcome->shown.groups = symptoms.groups;
  outcome->shown.zero_variance_groups = symptoms.zero_variance_groups;
}

SampleRow MakeSampleRow(const Group& group, size_t i, const GroupAdvantages& advantages) {
  const Sample& sample = group.samples[i];
  const double nan = std::numeric_limits<double>::quiet_NaN();
  SampleRow row;
  row.prompt = group.task.prompt_text;
  row.completion = sample.text;
  for (const RewardComponent& component : sample.components) {
    if (!component.applies) continue;
    row.rewards.emplace_back(component.name, component.ok ? component.score : nan);
  }
  if (sample.reward_applies) {
    row.rewards.emplace_back("reward", sample.reward_ok ? sample.reward : nan);
  }
  row.advantage = advantages[i].value_or(nan);
  row.tokens = static_cast<int64_t>(sample.ids.size());
  row.finish_reason = sample.finish_reason == rollout::FinishReason::kStop ? "stop" : "length";
  row.policy_version = static_cast<uint64_t>(sample.policy_version);
  return row;
}

nlohmann::json SampleRecord(const Group& group, size_t i, const GroupAdvantages& advantages) {
  const Sample& sample = group.samples[i];
  const SampleRow row = MakeSampleRow(group, i, advantages);
  nlohmann::json record = {{"group_id", group.task.group_id},
                           {"sample_id", sample.sample_id},
                           {"prompt", row.prompt},
                           {"completion", row.completion},
                           {"answer", group.task.answer},
                           {"reward", nullptr},
                           {"advantage", nullptr},
                           {"tokens", row.tokens},
                           {"finish_reason", row.finish_reason},
                           {"policy_version", row.policy_version}};
  for (const RewardComponent& component : sample.components) {
    if (component.ok) record["rewards"][component.name] = component.score;
  }
  constexpr size_t kMaxColumnBytes = 16 * 1024;  // tests of a program may be megabytes
  if (group.task.columns_json.size() <= kMaxColumnBytes) {
    nlohmann::json columns = nlohmann::json::parse(group.task.columns_json, nullptr, false);
    if (columns.is_object() && !columns.empty()) record["columns"] = std::move(columns);
  }
  if (sample.reward_ok) {
    record["reward"] = sample.reward;
  } else {
    record["reward_detail"] = sample.reward_detail;
  }
  if (advantages[i].has_value()) record["advantage"] = *advantages[i];
  return record;
}

// The best and the worst sample of each of the first groups, and samples whose reward failed.
void KeepSamples(const std::vector<Group>& groups, const std::vector<GroupAdvantages>& advantages,
                 StepOutcome* outcome) {
  constexpr size_t kGroupsKept = 4, kFailuresKept = 16;
  size_t failures = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto& samples = groups[g].samples;
    std::set<size_t> kept;
    if (g < kGroupsKept) {
      const auto [worst, best] =
          std::minmax_element(samples.begin(), samples.end(),
                              [](const Sample& a, const Sample& b) { return a.reward < b.reward; });
      kept.insert(static_cast<size_t>(best - samples.begin()));
      if (best->reward > worst->reward) kept.insert(static_cast<size_t>(worst - samples.begin()));
      for (const size_t i : kept) {
        outcome->table.push_back(MakeSampleRow(groups[g], i, advantages[g]));
      }
    }
    for (size_t i = 0; i < samples.size() && failures < kFailuresKept; ++i) {
      if (!samples[i].reward_ok && samples[i].reward_applies && kept.insert(i).second) ++failures;
    }
    for (const size_t i : kept) {
      outcome->sample_records.push_back(SampleRecord(groups[g], i, advantages[g]));
    }
  }
}

// round.updates_per_step() optimizer steps over consecutive slices of the batch.
struct Updates {
  UpdateReport last;
  PolicyLossMetrics policy;
  Moments loss, grad_norm, entropy;
  int64_t trained_tokens = 0;
  int64_t skipped = 0;
  double learning_rate = 0;
  double forward_backward_s = 0, update_s = 0;
};

Updates RunUpdates(RoundContext& context, const Objective& objective, const proto::Round& round,
                   std::vector<TrainingSequence> sequences) {
  Updates updates;
  const size_t parts = static_cast<size_t>(round.updates_per_step());
  // The first update sees the policy that the batch started from; the later ones need to know it.
  context.learner.RecordOldLogprobs(objective,
                                    std::span(sequences).subspan(sequences.size() / parts));
  for (size_t part = 0; part < parts; ++part) {
    const size_t begin = sequences.size() * part / parts,
                 end = sequences.size() * (part + 1) / parts;
    const std::vector<TrainingSequence> slice(std::make_move_iterator(sequences.begin() + begin),
                                              std::make_move_iterator(sequences.begin() + end));
    updates.learning_rate = RoundLearningRate(round, context.progress.updates_in_round);
    const UpdateReport report =
        context.learner.PolicyUpdate(objective, slice, updates.learning_rate);
    ++context.progress.updates_in_round;
    ++context.progress.policy_version;
    updates.policy.Add(report.policy);
    updates.loss.Add(report.loss);
    updates.grad_norm.Add(report.grad_norm);
    updates.entropy.Add(report.entropy);
    updates.trained_tokens += report.trained_tokens;
    updates.skipped += report.skipped.empty() ? 0 : 1;
    updates.forward_backward_s += report.forward_backward_s;
    updates.update_s += report.update_s;
    updates.last = report;
  }
  return updates;
}

void DescribeUpdates(const Updates& updates, StepOutcome* outcome) {
  nlohmann::json& row = outcome->metrics;
  row["loss"] = updates.loss.mean();
  row["kl"] = updates.policy.kl();
  row["clip_fraction"] = updates.policy.clip_fraction();
  row["ratio_mean"] = updates.policy.ratio_mean();
  row["ratio_max"] = updates.policy.ratio_max;
  row["entropy"] = updates.entropy.mean();
  row["logprob_gap_mean"] = updates.policy.gap_mean();
  row["logprob_gap_max"] = updates.policy.gap_max;
  row["grad_norm"] = updates.grad_norm.mean();
  row["learning_rate"] = updates.learning_rate;
  row["skipped_updates"] = updates.skipped;
  row["trained_tokens"] = updates.trained_tokens;
  if (updates.last.busiest_expert > 0) row["busiest_expert"] = updates.last.busiest_expert;
  outcome->symptoms.logprob_gap_mean = updates.policy.gap_mean();
  outcome->shown.kl = updates.policy.kl();
  outcome->shown.clip_fraction = updates.policy.clip_fraction();
  outcome->shown.entropy = updates.entropy.mean();
}

}  // namespace

StepOutcome GrpoStep(RoundContext& context, const Objective& objective, const proto::Round& round) {
  StepOutcome outcome;
  nlohmann::json& row = outcome.metrics;
  const auto step_start = Clock::now();
  const double publish_s =
      context.fleet.Publish(context.learner.DecoderWeights(), context.progress.policy_version);
  row["policy_version"] = context.progress.policy_version;

  CollectStats stats;
  const std::vector<Group> groups = context.fleet.Collect(NextPromptTasks(context, round), &stats);
  DescribeGroups(groups, round, context.recipe, &outcome);

  std::vector<GroupAdvantages> advantages;
  for (const Group& group : groups) advantages.push_back(AdvantagesOf(objective, group));
  KeepSamples(groups, advantages, &outcome);

  const auto train_start = Clock::now();
  std::vector<TrainingSequence> sequences = TrainingSequences(groups, advantages);
  if (objective.NeedsRefLogprobs()) context.learner.RecordRefLogprobs(sequences);
  const Updates updates = RunUpdates(context, objective, round, std::move(sequences));
  const double train_s = SecondsSince(train_start);
  DescribeUpdates(updates, &outcome);

  row["completion_tokens"] = stats.completion_tokens;
  row["publish_s"] = publish_s;
  row["decode_s"] = stats.decode_seconds;
  row["reward_s"] = stats.reward_seconds;
  row["forward_backward_s"] = updates.forward_backward_s;
  row["update_s"] = updates.update_s;
  row["train_s"] = train_s;
  row["step_s"] = SecondsSince(step_start);
  const double decode_rate =
      static_cast<double>(stats.completion_tokens) / std::max(1e-9, stats.decode_seconds);
  const double train_rate = static_cast<double>(updates.trained_tokens) / std::max(1e-9, train_s);
  row["decode_tokens_per_s"] = decode_rate;
  row["train_tokens_per_s"] = train_rate;
  outcome.shown.decode_tokens_per_s = decode_rate;
  outcome.shown.train_tokens_per_s = train_rate;
  row["reissued_samples"] = stats.reissued_samples;
  row["worker_restarts"] = stats.worker_restarts;
  return outcome;
}

}  // namespace cohort::rl
