#include "rl/run/sample_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/fakes/fake_rollouts.h"

namespace cohort::rl {
namespace {

using nlohmann::json;
using testing::IsEmpty;
using testing::SizeIs;

// Completions "0", "1", ... with these rewards.
EpisodeGroup Group(const std::vector<double>& rewards, const std::string& columns = "{}") {
  auto problem = std::make_shared<EncodedProblem>();
  problem->problem.question = "1+1=";
  problem->problem.answer = "2";
  problem->problem.columns = json::parse(columns);
  problem->columns_json = columns;
  EpisodeGroup group = NewEpisodeGroup(problem, 7, 40, static_cast<int>(rewards.size()));
  for (size_t i = 0; i < rewards.size(); ++i) {
    Episode& episode = group.episodes[i];
    episode.completion = std::to_string(i);
    episode.completion_ids = {1, 2};
    episode.policy_version = 3;
    episode.verdict = Graded(rewards[i]);
  }
  return group;
}

KeptSamples Keep(const std::vector<EpisodeGroup>& groups) {
  std::vector<GroupAdvantages> advantages;
  for (const EpisodeGroup& group : groups) advantages.emplace_back(group.episodes.size(), 0.5);
  return KeepSamples(groups, advantages);
}

TEST(SampleRecords, TheBestAndTheWorstOfAGroupAreKept) {
  const KeptSamples kept = Keep({Group({0.5, 0, 1, 0.2})});
  ASSERT_THAT(kept.records, SizeIs(2));
  EXPECT_EQ(kept.records[0].at("completion"), "1");
  EXPECT_EQ(kept.records[1].at("completion"), "2");
  ASSERT_THAT(kept.table, SizeIs(2));
  EXPECT_EQ(kept.table[1].completion, "2");
}

TEST(SampleRecords, OfEqualRewardsOneSampleIsEnough) {
  EXPECT_THAT(Keep({Group({1, 1, 1})}).records, SizeIs(1));
}

TEST(SampleRecords, ARecordIsTheWholeSample) {
  const KeptSamples kept = Keep({Group({1}, R"({"level":"easy"})")});
  EXPECT_EQ(kept.records.at(0), json::parse(R"({"group_id": 7, "sample_id": 40, "prompt": "1+1=",
      "completion": "0", "answer": "2", "reward": 1.0, "rewards": {"fake": 1.0}, "advantage": 0.5,
      "tokens": 2, "finish_reason": "stop", "policy_version": 3, "columns": {"level": "easy"}})"));
}

TEST(SampleRecords, ColumnsOfMegabytesAreLeftOut) {
  const KeptSamples kept = Keep({Group({1}, R"({"tests":")" + std::string(20'000, 'x') + "\"}")});
  EXPECT_FALSE(kept.records.at(0).contains("columns"));
}

TEST(SampleRecords, OfManyGroupsTheFirstFourAreKeptAndSixteenFailures) {
  std::vector<EpisodeGroup> groups(30, Group({1, 0}));
  EXPECT_THAT(Keep(groups).records, SizeIs(8));
  for (size_t g = 10; g < groups.size(); ++g) {
    groups[g].episodes[1].verdict = FailedVerdict(reward::STATUS_CRASH, "");
  }
  const KeptSamples kept = Keep(groups);
  EXPECT_THAT(kept.records, SizeIs(8 + 16));
  EXPECT_THAT(kept.table, SizeIs(8)) << "people see good and bad answers, the file the failures";
}

TEST(SampleRecords, AFailedRewardIsNoNumberAndSaysWhy) {
  EpisodeGroup group = Group({0});
  group.episodes[0].verdict = FailedVerdict(reward::STATUS_MEMORY, "256 MiB");
  const KeptSamples kept = KeepSamples({group}, {GroupAdvantages{std::nullopt}});
  EXPECT_TRUE(kept.records.at(0).at("reward").is_null());
  EXPECT_TRUE(kept.records.at(0).at("advantage").is_null());
  EXPECT_EQ(kept.records.at(0).at("reward_detail"), "MEMORY: 256 MiB");
  EXPECT_TRUE(std::isnan(kept.table.at(0).rewards.at(0).second));
}

TEST(SampleRecords, ARewardThatDoesNotApplyHasNoColumn) {
  EpisodeGroup group = Group({0});
  group.episodes[0].verdict = FailedVerdict(reward::STATUS_NOT_APPLICABLE, "");
  EXPECT_THAT(KeepSamples({group}, {GroupAdvantages{std::nullopt}}).table.at(0).rewards, IsEmpty());
}

}  // namespace
}  // namespace cohort::rl
