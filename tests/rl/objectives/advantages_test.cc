// Golden vectors for rewards [1, 0, 0, 0], as published dialects compute them:
// verl 1.499997/-0.499999, TRL 1.4997/-0.4999, RLOO 1/-0.333333, mean-only 0.75/-0.25, numpy's std
// with eps 1e-8 1.732051/-0.577350.

#include "rl/objectives/advantages.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "rl/objectives/objective.h"

namespace cohort::rl {
namespace {

using Rewards = std::vector<std::optional<double>>;

void ExpectAdvantages(const proto::Objective& objective, const Rewards& rewards,
                      const std::vector<double>& expected, double tolerance) {
  const auto advantages = ComputeAdvantages(objective, rewards);
  ASSERT_EQ(advantages.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(advantages[i].has_value());
    EXPECT_NEAR(*advantages[i], expected[i], tolerance);
  }
}

proto::Objective With(proto::Objective::Advantage kind) {
  proto::Objective objective = FromPreset(proto::Objective::PRESET_DAPO);
  objective.set_advantage(kind);
  return objective;
}

TEST(Advantages, AgreeWithThePublishedDialects) {
  const Rewards rewards = {1.0, 0.0, 0.0, 0.0};
  ExpectAdvantages(FromPreset(proto::Objective::PRESET_VERL), rewards,
                   {1.499997, -.499999, -.499999, -.499999}, 5.1e-7);
  ExpectAdvantages(FromPreset(proto::Objective::PRESET_TRL), rewards,
                   {1.4997, -.4999, -.4999, -.4999}, 1e-6 + 5e-5);
  ExpectAdvantages(With(proto::Objective::ADVANTAGE_RLOO), rewards, {1, -1. / 3, -1. / 3, -1. / 3},
                   1e-15);
  ExpectAdvantages(FromPreset(proto::Objective::PRESET_DR_GRPO), rewards, {.75, -.25, -.25, -.25},
                   1e-15);
  proto::Objective biased = With(proto::Objective::ADVANTAGE_GROUP_MEAN_STD);
  biased.set_std_ddof(0);
  biased.set_std_eps(1e-8);
  ExpectAdvantages(biased, rewards, {1.732051, -.577350, -.577350, -.577350}, 5.1e-7);
}

TEST(Advantages, AGroupOfEqualRewardsHasExactlyZero) {
  // 0.1 * 3 / 3 is not 0.1 in binary: a plain r - mean would leave a residue, and std_eps 0 a NaN.
  for (const proto::Objective::Advantage kind :
       {proto::Objective::ADVANTAGE_GROUP_MEAN_STD, proto::Objective::ADVANTAGE_GROUP_MEAN,
        proto::Objective::ADVANTAGE_RLOO}) {
    proto::Objective objective = With(kind);
    objective.set_std_eps(0);
    for (const Rewards& rewards :
         {Rewards{.1, .1, .1}, Rewards{.7}, Rewards(7, .3), Rewards{.1, std::nullopt, .1}}) {
      for (const auto& advantage : ComputeAdvantages(objective, rewards)) {
        EXPECT_EQ(advantage.value_or(0), 0.0);
      }
    }
  }
}

TEST(Advantages, AFailedSampleHasNoneAndDoesNotCount) {
  for (const proto::Objective::Advantage kind :
       {proto::Objective::ADVANTAGE_GROUP_MEAN_STD, proto::Objective::ADVANTAGE_GROUP_MEAN,
        proto::Objective::ADVANTAGE_RLOO}) {
    const auto with = ComputeAdvantages(With(kind), Rewards{1.0, std::nullopt, 0.0, .5});
    const auto without = ComputeAdvantages(With(kind), Rewards{1.0, 0.0, .5});
    EXPECT_FALSE(with[1].has_value());
    EXPECT_EQ(*with[0], *without[0]);
    EXPECT_EQ(*with[2], *without[1]);
    EXPECT_EQ(*with[3], *without[2]);
  }
}

TEST(Advantages, AGroupOfFailuresHasNone) {
  for (const auto& advantage :
       ComputeAdvantages(FromPreset(proto::Objective::PRESET_DAPO), Rewards(3, std::nullopt))) {
    EXPECT_FALSE(advantage.has_value());
  }
}

TEST(Advantages, StatisticsSurviveLargeRewardsThatAreClose) {
  // E[x^2] - E[x]^2 in fp64 gives a variance of 0 or less here.
  const Rewards rewards = {1e9 + 1, 1e9, 1e9, 1e9};
  ExpectAdvantages(FromPreset(proto::Objective::PRESET_VERL), rewards,
                   {1.499997, -.499999, -.499999, -.499999}, 1e-6);
}

TEST(Advantages, ANonFiniteRewardIsABrokenInvariant) {
  EXPECT_THROW(
      ComputeAdvantages(FromPreset(proto::Objective::PRESET_DAPO), Rewards{1.0, std::nan("")}),
      Error);
}

}  // namespace
}  // namespace cohort::rl
