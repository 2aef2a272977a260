#include "rl/run/group_figures.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/fakes/fake_rollouts.h"

namespace cohort::rl {
namespace {

// A group with these rewards; a failed one where there is none.
EpisodeGroup Group(const std::vector<std::optional<double>>& rewards) {
  EpisodeGroup group;
  for (const auto& reward : rewards) {
    Episode& episode = group.episodes.emplace_back();
    episode.completion_ids = {1, 2, 3};
    episode.verdict =
        reward.has_value() ? Graded(*reward) : FailedVerdict(reward::STATUS_CRASH, "");
  }
  return group;
}

TEST(GroupFigures, RewardsAreTheMeanAndDeviationOfThoseThatThereAre) {
  const StepMetrics metrics = GroupFigures({Group({1, 0, {}}), Group({0, 0})}, "");
  EXPECT_DOUBLE_EQ(*metrics.reward_mean, 0.25);
  EXPECT_DOUBLE_EQ(*metrics.reward_std, std::sqrt(3.0) / 4);
  EXPECT_EQ(metrics.samples, 5);
  EXPECT_EQ(metrics.failed_rewards, 1);
  EXPECT_EQ(metrics.rewards.at("fake").count, 4) << "a component that failed has no score";
  EXPECT_DOUBLE_EQ(metrics.rewards.at("fake").mean, 0.25);
}

TEST(GroupFigures, AGroupWithoutVarianceIsRightOrWrongByTheOthers) {
  const StepMetrics metrics =
      GroupFigures({Group({1, 1}), Group({0, 0}), Group({1, 0}), Group({0.5, 0.5})}, "");
  EXPECT_EQ(metrics.groups, 4);
  EXPECT_EQ(metrics.zero_variance_groups, 3);
  EXPECT_EQ(metrics.all_right_groups, 1);
  EXPECT_EQ(metrics.all_wrong_groups, 1);
}

TEST(GroupFigures, WhereAllRewardsAreEqualTheDecidingRewardSaysWhetherTheyAreRight) {
  const StepMetrics solved = GroupFigures({Group({1, 1}), Group({1, 1})}, "");
  EXPECT_EQ(solved.all_right_groups, 2);
  EXPECT_EQ(solved.all_wrong_groups, 0);
  const StepMetrics unsolved = GroupFigures({Group({0, 0}), Group({0, 0})}, "fake");
  EXPECT_EQ(unsolved.all_right_groups, 0);
  EXPECT_EQ(unsolved.all_wrong_groups, 2);
  const StepMetrics undecided = GroupFigures({Group({1, 1}), Group({1, 1})}, "another");
  EXPECT_EQ(undecided.all_right_groups, 0) << "whoever decides has said nothing";
}

TEST(GroupFigures, AGroupThatNobodyGradedHasNoVarianceToSpeakOf) {
  const StepMetrics metrics = GroupFigures({Group({{}, {}})}, "");
  EXPECT_EQ(metrics.zero_variance_groups, 0);
  EXPECT_FALSE(metrics.reward_mean.has_value()) << "a failure is never a reward of 0";
  EXPECT_TRUE(metrics.rewards.empty());
}

TEST(GroupFigures, WhatDoesNotApplyIsNoFailure) {
  EpisodeGroup group = Group({1, 0});
  group.episodes[0].verdict = FailedVerdict(reward::STATUS_NOT_APPLICABLE, "");
  const StepMetrics metrics = GroupFigures({group}, "");
  EXPECT_EQ(metrics.failed_rewards, 0);
  EXPECT_EQ(metrics.not_applicable_rewards, 1);
}

TEST(GroupFigures, LengthsAndCutsAreOfEverySample) {
  EpisodeGroup group = Group({1, {}});
  group.episodes[0].completion_ids = {1};
  group.episodes[1].finish_reason = rollout::FinishReason::kLength;
  const StepMetrics metrics = GroupFigures({group}, "");
  EXPECT_EQ(metrics.completion_length_mean, 2.0);
  EXPECT_EQ(metrics.truncated_samples, 1);
}

}  // namespace
}  // namespace cohort::rl
