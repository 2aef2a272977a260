#include "rl/evaluation/majority_vote.h"

#include <gtest/gtest.h>

namespace cohort::rl {
namespace {

// By Python: every subset of k of the samples, its most frequent answers, 1 / (how many they are)
// where the right one is among them; as fractions.
TEST(MajAtK, IsTheMeanOverAllChoicesOfKSamples) {
  EXPECT_NEAR(MajAtK({3, {2, 2, 1}}, 4), 1.0 / 2, 1e-12);
  EXPECT_NEAR(MajAtK({2, {2, 2}}, 3), 1.0 / 3, 1e-12);
  EXPECT_NEAR(MajAtK({1, {1, 1, 1}}, 2), 1.0 / 4, 1e-12);
  EXPECT_NEAR(MajAtK({4, {5, 1, 1, 1}}, 5), 155.0 / 396, 1e-12);
  EXPECT_NEAR(MajAtK({2, {3}}, 2), 2.0 / 5, 1e-12);
  EXPECT_NEAR(MajAtK({5, {4, 3}}, 7), 19.0 / 33, 1e-12);
  EXPECT_NEAR(MajAtK({2, {2, 2, 1, 1}}, 6), 1.0 / 3, 1e-12);
}

TEST(MajAtK, OfAllSamplesIsTheOneVote) {
  EXPECT_EQ(MajAtK({3, {2, 2, 1}}, 8), 1);
  EXPECT_EQ(MajAtK({2, {3, 2, 1}}, 8), 0);
  EXPECT_DOUBLE_EQ(MajAtK({2, {2}}, 4), 0.5) << "a tie is a toss";
  EXPECT_DOUBLE_EQ(MajAtK({1, {1, 1, 1, 1}}, 5), 0.2);
}

TEST(MajAtK, OfOneSampleIsTheShareOfRightOnes) {
  EXPECT_NEAR(MajAtK({3, {4, 1}}, 1), 3.0 / 8, 1e-12);
  EXPECT_EQ(MajAtK({0, {4, 1}}, 1), 0);
  EXPECT_EQ(MajAtK({4, {}}, 3), 1);
}

// The chance that 33 or more of 64 drawn of 128 are right, half of a tie, by symmetry.
TEST(MajAtK, StaysExactForManySamples) {
  EXPECT_NEAR(MajAtK({64, {64}}, 64), 0.5, 1e-12);
  EXPECT_NEAR(MajAtK({600, {600}}, 300), 0.5, 1e-10);
}

TEST(MeanMajAtK, LeavesOutProblemsWithFewerVotesAndHasAnInterval) {
  const Estimate estimate = MeanMajAtK({{2, {}}, {0, {2}}, {1, {}}}, 2);
  EXPECT_DOUBLE_EQ(estimate.mean, 0.5);
  EXPECT_LT(estimate.low, 0.2);
  EXPECT_GT(estimate.high, 0.8);
}

}  // namespace
}  // namespace cohort::rl
