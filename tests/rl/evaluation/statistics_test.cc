#include "rl/evaluation/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "rl/evaluation/elo.h"

namespace cohort::rl {
namespace {

Verdicts Right(int64_t c, int64_t n) {
  Verdicts verdicts(static_cast<size_t>(n), false);
  for (int64_t i = 0; i < c; ++i) verdicts[static_cast<size_t>(i)] = true;
  return verdicts;
}

// numpy code of arXiv 2107.03374, figure 3.
TEST(PassAtK, IsThatOfThePaper) {
  EXPECT_DOUBLE_EQ(PassAtK(10, 3, 1), 0.3);
  EXPECT_NEAR(PassAtK(10, 3, 5), 1 - 21.0 / 252, 1e-12);  // C(7,5) / C(10,5)
  EXPECT_EQ(PassAtK(10, 0, 10), 0);
  EXPECT_EQ(PassAtK(10, 1, 10), 1);
  EXPECT_NEAR(PassAtK(200, 7, 100), 0.9929911, 1e-7);
}

TEST(PassAtK, IsTheMeanOverAllChoicesOfKSamples) {
  const int64_t n = 8, c = 3;
  for (int64_t k = 1; k <= n; ++k) {
    int64_t choices = 0, passing = 0;
    for (int set = 0; set < (1 << n); ++set) {
      if (__builtin_popcount(static_cast<unsigned>(set)) != k) continue;
      ++choices;
      passing += (set & ((1 << c) - 1)) != 0 ? 1 : 0;
    }
    EXPECT_NEAR(PassAtK(n, c, k), static_cast<double>(passing) / static_cast<double>(choices),
                1e-12);
  }
}

// Wilson's interval of 15 out of 50, as scipy's binomtest(15, 50).proportion_ci(method="wilson")
// gives it.
TEST(PassAtOne, HasWilsonsIntervalForOneSampleAProblem) {
  std::vector<Verdicts> problems;
  for (int i = 0; i < 50; ++i) problems.push_back({i < 15});
  const Estimate estimate = PassAtOne(problems);
  EXPECT_DOUBLE_EQ(estimate.mean, 0.3);
  EXPECT_NEAR(estimate.low, 0.1910355, 1e-7);
  EXPECT_NEAR(estimate.high, 0.4375035, 1e-7);
}

TEST(PassAtOne, IsNotCertainWhenEveryProblemWasSolved) {
  const Estimate estimate = PassAtOne(std::vector<Verdicts>(20, Verdicts{true}));
  EXPECT_EQ(estimate.mean, 1);
  EXPECT_NEAR(estimate.low, 0.8388747, 1e-6);
}

TEST(PassAtOne, TakesItsErrorFromTheProblemsAndNotFromTheSamples) {
  const std::vector<Verdicts> problems = {Right(4, 4), Right(0, 4), Right(2, 4), Right(2, 4)};
  const Estimate estimate = PassAtOne(problems);
  EXPECT_DOUBLE_EQ(estimate.mean, 0.5);
  EXPECT_NEAR(estimate.standard_error, std::sqrt((0.25 + 0.25) / 3 / 4), 1e-12);
}

TEST(PassAtOne, WeighsProblemsAlikeAndLeavesOutThoseWithoutAVerdict) {
  EXPECT_DOUBLE_EQ(PassAtOne({Right(1, 1), Right(0, 9), {}}).mean, 0.5);
  EXPECT_EQ(PassAtOne({{}, {}}).mean, 0);
}

TEST(MeanPassAtK, LeavesOutProblemsWithFewerSamples) {
  EXPECT_DOUBLE_EQ(MeanPassAtK({Right(1, 2), Right(0, 2), Right(1, 1)}, 2).mean, 0.5);
}

// Players of known ratings, 500 problems each: the estimates lie around the rating, and the
// standard error is what they scatter by.
TEST(Elo, FindsTheRatingsOfSimulatedPlayers) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> unit(0, 1);
  for (const double rating : {800.0, 1500.0, 2700.0}) {
    double sum = 0, squares = 0, error = 0;
    constexpr int kPlayers = 60;
    for (int player = 0; player < kPlayers; ++player) {
      std::vector<RatedVerdict> verdicts;
      for (int i = 0; i < 500; ++i) {
        const double difficulty = 800 + 2700 * unit(random);
        const double p = 1 / (1 + std::pow(10, (difficulty - rating) / 400));
        verdicts.push_back({difficulty, unit(random) < p ? 1.0 : 0.0});
      }
      const EloEstimate estimate = EstimateElo(verdicts);
      sum += estimate.rating;
      squares += estimate.rating * estimate.rating;
      error += estimate.standard_error / kPlayers;
      EXPECT_NEAR(estimate.rating, rating, 5 * estimate.standard_error);
    }
    const double mean = sum / kPlayers;
    const double scatter = std::sqrt(squares / kPlayers - mean * mean);
    EXPECT_NEAR(mean, rating, 4 * error / std::sqrt(kPlayers));
    EXPECT_NEAR(scatter / error, 1, 0.35);
  }
}

TEST(Elo, IsTheProblemsRatingForHalfOfThemSolved) {
  EXPECT_NEAR(EstimateElo({{1600, true}, {1600, false}}).rating, 1600, 1e-6);
  // 10 of 11 solved is 400 points above.
  std::vector<RatedVerdict> verdicts(11, {1600, 1});
  verdicts.back().solved = 0;
  EXPECT_NEAR(EstimateElo(verdicts).rating, 2000, 1e-6);
  EXPECT_NEAR(EstimateElo(verdicts).standard_error, 173.7178 / std::sqrt(11 * 10.0 / 121), 1e-2);
}

TEST(Elo, HasNoFiniteEstimateWhenAllOrNoneWereSolved) {
  EXPECT_EQ(EstimateElo({{1600, true}}).rating, std::numeric_limits<double>::infinity());
  EXPECT_EQ(EstimateElo({{1600, false}}).rating, -std::numeric_limits<double>::infinity());
  EXPECT_THROW(EstimateElo({}), Error);
  EXPECT_THROW(EstimateElo({{std::nan(""), true}}), Error);
}

}  // namespace
}  // namespace cohort::rl
