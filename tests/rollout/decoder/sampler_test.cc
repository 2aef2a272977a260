#include "rollout/decoder/sampler.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace cohort::rollout {
namespace {

std::vector<int32_t> Kept(const std::vector<float>& logits, const Sampling& sampling) {
  Sampler sampler(kernels::BestOps(), static_cast<int64_t>(logits.size()));
  sampler.Prepare(logits.data(), sampling);
  std::vector<int32_t> tokens;
  for (const auto& [probability, token] : sampler.kept()) tokens.push_back(token);
  return tokens;
}

// Probabilities 0.1, 0.4, 0.2, 0.05, 0.25.
const std::vector<float> kLogits = {std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.05f),
                                    std::log(0.25f)};

TEST(Sampler, TopKKeepsTheMostLikely) {
  EXPECT_EQ(Kept(kLogits, {.top_k = 3}), (std::vector<int32_t>{1, 4, 2}));
  EXPECT_EQ(Kept(kLogits, {.top_k = 1}), (std::vector<int32_t>{1}));
  EXPECT_TRUE(Kept(kLogits, {.top_k = 5}).empty());  // no restriction
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  EXPECT_EQ(Kept(kLogits, {.top_p = 0.39}), (std::vector<int32_t>{1}));
  EXPECT_EQ(Kept(kLogits, {.top_p = 0.41}), (std::vector<int32_t>{1, 4}));
  EXPECT_EQ(Kept(kLogits, {.top_p = 0.84}), (std::vector<int32_t>{1, 4, 2}));
  EXPECT_EQ(Kept(kLogits, {.top_p = 0.96}), (std::vector<int32_t>{1, 4, 2, 0, 3}));
}

TEST(Sampler, TopPAppliesToWhatTopKLeftRenormalised) {
  // After top-k 2: 0.4 / 0.65 = 0.615, 0.25 / 0.65.
  EXPECT_EQ(Kept(kLogits, {.top_k = 2, .top_p = 0.6}), (std::vector<int32_t>{1}));
  EXPECT_EQ(Kept(kLogits, {.top_k = 2, .top_p = 0.63}), (std::vector<int32_t>{1, 4}));
}

TEST(Sampler, TiesGoToTheLowestId) {
  const std::vector<float> flat(200, 0.5f);
  EXPECT_EQ(Kept(flat, {.top_k = 3}), (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(Kept(flat, {.top_p = 0.0199}), (std::vector<int32_t>{0, 1, 2, 3}));
  Sampler sampler(kernels::BestOps(), 200);
  sampler.Prepare(flat.data(), {.temperature = 0});
  EXPECT_EQ(sampler.Sample(1, 1).token, 0);
}

TEST(Sampler, TopPReachesPastItsFirstSortedPart) {
  const std::vector<float> flat(3000, 0.0f);
  EXPECT_EQ(Kept(flat, {.top_p = 0.4999}).size(), 1500u);
}

TEST(Sampler, LogprobsAreThoseOfTheWholeVocabularyAtTheTemperature) {
  for (const double temperature : {1.0, 0.6, 2.5}) {
    double total = 0;
    for (const float logit : kLogits) total += std::exp(logit / temperature);
    Sampler sampler(kernels::BestOps(), 5);
    sampler.Prepare(kLogits.data(), {.temperature = temperature, .top_k = 2, .top_p = 0.9});
    for (int32_t token = 0; token < 5; ++token) {
      const double exact = kLogits[static_cast<size_t>(token)] / temperature - std::log(total);
      EXPECT_NEAR(sampler.Logprob(token), exact, 1e-6);
    }
  }
}

TEST(Sampler, GreedyReportsTheLogprobAtTemperatureOne) {
  Sampler sampler(kernels::BestOps(), 5);
  sampler.Prepare(kLogits.data(), {.temperature = 0});
  const Draw draw = sampler.Sample(3, 8);
  EXPECT_EQ(draw.token, 1);
  EXPECT_NEAR(draw.logprob, std::log(0.4), 1e-6);
}

TEST(Sampler, RefusesLogitsThatAreNotFinite) {
  Sampler sampler(kernels::BestOps(), 5);
  std::vector<float> logits = kLogits;
  logits[2] = NAN;
  EXPECT_THROW(sampler.Prepare(logits.data(), {}), Error);
}

TEST(Sampler, IsTheSameOnEveryInstructionSet) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = 5 * std::sin(static_cast<float>(i));
  for (const Sampling& sampling :
       {Sampling{.temperature = 0.9}, Sampling{.top_k = 50}, Sampling{.top_p = 0.7}}) {
    Sampler reference(kernels::OpsFor(kernels::Isa::kScalar), 1000);
    reference.Prepare(logits.data(), sampling);
    for (const kernels::Isa isa : kernels::AvailableIsas()) {
      Sampler sampler(kernels::OpsFor(isa), 1000);
      sampler.Prepare(logits.data(), sampling);
      for (uint64_t i = 0; i < 500; ++i) {
        const Draw a = reference.Sample(i, 3), b = sampler.Sample(i, 3);
        ASSERT_EQ(a.token, b.token);
        ASSERT_EQ(a.logprob, b.logprob);
      }
    }
  }
}

// Pearson's statistic of `draws` samples against exact probabilities; cells below 5 expected are
// merged.
double ChiSquare(const std::vector<float>& logits, const Sampling& sampling,
                 const std::vector<double>& exact, int* freedom) {
  constexpr int kDraws = 60000;
  Sampler sampler(kernels::BestOps(), static_cast<int64_t>(logits.size()));
  sampler.Prepare(logits.data(), sampling);
  std::vector<int> counts(logits.size());
  for (int i = 0; i < kDraws; ++i) {
    ++counts[static_cast<size_t>(
        sampler.Sample(static_cast<uint64_t>(i % 300), static_cast<uint64_t>(i / 300)).token)];
  }
  double statistic = 0, rest_expected = 0, rest_count = 0;
  *freedom = -1;
  for (size_t token = 0; token < counts.size(); ++token) {
    const double expected = exact[token] * kDraws;
    if (expected == 0) {
      EXPECT_EQ(counts[token], 0) << "token " << token << " is outside the kept set";
    }
    if (expected < 5) {
      rest_expected += expected;
      rest_count += counts[token];
      continue;
    }
    statistic += std::pow(counts[token] - expected, 2) / expected;
    ++*freedom;
  }
  if (rest_expected > 0) {
    statistic += std::pow(rest_count - rest_expected, 2) / rest_expected;
    ++*freedom;
  }
  return statistic;
}

TEST(Sampler, DrawsFollowTheDistribution) {
  std::vector<float> logits(700);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = 3 * std::sin(1.7f * static_cast<float>(i));
  for (const bool restricted : {false, true}) {
    const Sampling sampling{.temperature = 0.8, .top_k = restricted ? 40 : 0, .seed = 12};
    std::vector<double> exact(logits.size());
    std::vector<double> sorted;
    for (size_t i = 0; i < logits.size(); ++i)
      sorted.push_back(exact[i] = std::exp(logits[i] / 0.8));
    std::sort(sorted.rbegin(), sorted.rend());
    double total = 0;
    for (double& p : exact) {
      if (restricted && p < sorted[39]) p = 0;
      total += p;
    }
    for (double& p : exact) p /= total;
    int freedom = 0;
    const double statistic = ChiSquare(logits, sampling, exact, &freedom);
    ASSERT_GT(freedom, 30);
    // 3.3 standard deviations of the chi-square distribution: probability about 0.001.
    EXPECT_LT(statistic, freedom + 3.3 * std::sqrt(2.0 * freedom));
  }
}

}  // namespace
}  // namespace cohort::rollout
