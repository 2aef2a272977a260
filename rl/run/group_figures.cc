#include "rl/run/group_figures.h"

#include <algorithm>
#include <limits>

#include "rl/evaluation/moments.h"

namespace cohort::rl {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The lowest and the highest reward; of no rewards lowest > highest.
struct RewardRange {
  double lowest = kInfinity, highest = -kInfinity;
  bool right = true;  // every graded episode is
  void Add(const RewardRange& other) {
    lowest = std::min(lowest, other.lowest);
    highest = std::max(highest, other.highest);
    right = right && other.right;
  }
};

// How the groups' rewards vary: a group without variance teaches nothing.
void AddVariance(const std::vector<RewardRange>& ranges, StepMetrics* metrics) {
  RewardRange all;
  for (const RewardRange& range : ranges) all.Add(range);
  int64_t flat = 0, right = 0, wrong = 0;
  for (const RewardRange& range : ranges) {
    if (range.lowest != range.highest) continue;  // or none of it was graded
    ++flat;
    // Where all groups have one reward, only the rewards themselves say which it is.
    const bool alone = all.lowest == all.highest;
    if (range.lowest >= all.highest && (!alone || range.right)) ++right;
    if (range.lowest <= all.lowest && !(alone && range.right)) ++wrong;
  }
  metrics->groups = static_cast<int64_t>(ranges.size());
  metrics->zero_variance_groups = flat;
  metrics->all_right_groups = right;
  metrics->all_wrong_groups = wrong;
}

}  // namespace

StepMetrics GroupFigures(const std::vector<EpisodeGroup>& groups,
                         const std::string& deciding_reward) {
  Moments rewards, lengths;
  std::map<std::string, Moments> components;
  std::vector<RewardRange> ranges;
  int64_t truncated = 0, failed = 0, not_applicable = 0;
  for (const EpisodeGroup& group : groups) {
    RewardRange& range = ranges.emplace_back();
    for (const Episode& episode : group.episodes) {
      lengths.Add(static_cast<double>(episode.completion_ids.size()));
      truncated += episode.truncated() ? 1 : 0;
      for (const reward::Component& component : episode.verdict.components()) {
        if (const auto score = ComponentScore(component)) components[component.name()].Add(*score);
      }
      if (const auto reward = episode.reward()) {
        rewards.Add(*reward);
        const auto* deciding = FindComponent(episode.verdict, deciding_reward);
        const bool right = deciding != nullptr && ComponentScore(*deciding).value_or(0) >= 1;
        range.Add({*reward, *reward, right});
      } else {
        ++(episode.reward_applies() ? failed : not_applicable);
      }
    }
  }
  StepMetrics metrics;
  AddVariance(ranges, &metrics);
  if (rewards.count > 0) {
    metrics.reward_mean = rewards.mean();
    metrics.reward_std = rewards.deviation();
  }
  for (const auto& [name, moments] : components) {
    metrics.rewards[name] = {moments.mean(), moments.deviation(), moments.count};
  }
  metrics.samples = lengths.count;
  metrics.completion_length_mean = lengths.mean();
  metrics.truncated_samples = truncated;
  metrics.failed_rewards = failed;
  metrics.not_applicable_rewards = not_applicable;
  return metrics;
}

}  // namespace cohort::rl
