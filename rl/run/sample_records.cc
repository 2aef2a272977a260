#include "rl/run/sample_records.h"

#include <algorithm>
#include <limits>
#include <set>

namespace cohort::rl {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

SampleRow MakeSampleRow(const EpisodeGroup& group, size_t i, const GroupAdvantages& advantages) {
  const Episode& episode = group.episodes[i];
  SampleRow row;
  row.prompt = group.problem->problem.question;
  row.completion = episode.completion;
  for (const reward::Component& component : episode.verdict.components()) {
    if (component.status() == reward::STATUS_NOT_APPLICABLE) continue;
    row.rewards.emplace_back(component.name(), ComponentScore(component).value_or(kNan));
  }
  if (episode.reward_applies()) {
    row.rewards.emplace_back("reward", episode.reward().value_or(kNan));
  }
  row.advantage = advantages[i].value_or(kNan);
  row.tokens = static_cast<int64_t>(episode.completion_ids.size());
  row.finish_reason = episode.truncated() ? "length" : "stop";
  row.policy_version = static_cast<uint64_t>(episode.policy_version);
  return row;
}

nlohmann::json SampleRecord(const EpisodeGroup& group, size_t i,
                            const GroupAdvantages& advantages) {
  const Episode& episode = group.episodes[i];
  const SampleRow row = MakeSampleRow(group, i, advantages);
  nlohmann::json record = {{"group_id", group.group_id},
                           {"sample_id", episode.sample_id},
                           {"prompt", row.prompt},
                           {"completion", row.completion},
                           {"answer", group.problem->problem.answer},
                           {"reward", nullptr},
                           {"advantage", nullptr},
                           {"tokens", row.tokens},
                           {"finish_reason", row.finish_reason},
                           {"policy_version", row.policy_version}};
  for (const reward::Component& component : episode.verdict.components()) {
    if (const auto score = ComponentScore(component)) record["rewards"][component.name()] = *score;
  }
  constexpr size_t kMaxColumnBytes = 16 * 1024;  // tests of a program may be megabytes
  const nlohmann::json& columns = group.problem->problem.columns;
  if (group.problem->columns_json.size() <= kMaxColumnBytes && !columns.empty()) {
    record["columns"] = columns;
  }
  if (episode.graded()) {
    record["reward"] = *episode.reward();
  } else {
    record["reward_detail"] = DescribeVerdict(episode.verdict);
  }
  if (advantages[i].has_value()) record["advantage"] = *advantages[i];
  return record;
}

}  // namespace

KeptSamples KeepSamples(const std::vector<EpisodeGroup>& groups,
                        const std::vector<GroupAdvantages>& advantages) {
  constexpr size_t kGroupsKept = 4, kFailuresKept = 16;
  const auto reward = [](const Episode& episode) { return episode.reward().value_or(0); };
  KeptSamples samples;
  size_t failures = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    const std::vector<Episode>& episodes = groups[g].episodes;
    std::set<size_t> kept;
    if (g < kGroupsKept) {
      const auto [worst, best] = std::minmax_element(
          episodes.begin(), episodes.end(),
          [&](const Episode& a, const Episode& b) { return reward(a) < reward(b); });
      kept.insert(static_cast<size_t>(best - episodes.begin()));
      if (reward(*best) > reward(*worst)) {
        kept.insert(static_cast<size_t>(worst - episodes.begin()));
      }
      for (const size_t i : kept) {
        samples.table.push_back(MakeSampleRow(groups[g], i, advantages[g]));
      }
    }
    for (size_t i = 0; i < episodes.size() && failures < kFailuresKept; ++i) {
      if (!episodes[i].reward_failed()) continue;
      if (samples.first_failure.empty()) {
        samples.first_failure = DescribeVerdict(episodes[i].verdict);
      }
      if (kept.insert(i).second) ++failures;
    }
    for (const size_t i : kept) {
      samples.records.push_back(SampleRecord(groups[g], i, advantages[g]));
    }
  }
  return samples;
}

}  // namespace cohort::rl
