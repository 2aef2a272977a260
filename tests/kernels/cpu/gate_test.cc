#include "kernels/cpu/gate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "kernels/cpu/ops.h"

namespace cohort::kernels {
namespace {

struct Picked {
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

Picked Pick(const GateRule& rule, const std::vector<float>& logits,
            const std::vector<float>& bias = {}) {
  Picked out{std::vector<int32_t>(static_cast<size_t>(rule.experts_per_token)),
             std::vector<float>(static_cast<size_t>(rule.experts_per_token))};
  PickExperts(BestOps(), rule, logits.data(), bias.empty() ? nullptr : bias.data(),
              out.experts.data(), out.weights.data());
  return out;
}

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(Gate, PicksByBiasedScoreAndWeighsByTheScoreItself) {
  const Picked out = Pick({.num_experts = 4, .experts_per_token = 2, .routed_scaling = 2.5},
                          {0.0f, 1.0f, -1.0f, 2.0f}, {0.0f, 0.0f, 1.0f, -5.0f});
  EXPECT_EQ(out.experts, (std::vector<int32_t>{2, 1}));  // 0.269 + 1, then 0.731
  const double first = Sigmoid(-1), second = Sigmoid(1);
  EXPECT_NEAR(out.weights[0], 2.5 * first / (first + second), 1e-6);
  EXPECT_NEAR(out.weights[1], 2.5 * second / (first + second), 1e-6);
}

TEST(Gate, BreaksTiesOfExpertsByTheLowestIndex) {
  const Picked out = Pick({.num_experts = 5, .experts_per_token = 3, .normalize_weights = false},
                          std::vector<float>(5, 0.25f));
  EXPECT_EQ(out.experts, (std::vector<int32_t>{0, 1, 2}));
  EXPECT_NEAR(out.weights[0], Sigmoid(0.25), 1e-6);
}

TEST(Gate, TakesTheSoftmaxOverAllExperts) {
  GateRule rule{.num_experts = 3, .experts_per_token = 2, .score = GateScore::kSoftmax};
  const std::vector<float> logits = {std::log(1.0f), std::log(3.0f), std::log(4.0f)};
  Picked out = Pick(rule, logits);
  EXPECT_EQ(out.experts, (std::vector<int32_t>{2, 1}));
  EXPECT_NEAR(out.weights[0], 4.0 / 7, 1e-6);
  EXPECT_NEAR(out.weights[1], 3.0 / 7, 1e-6);
  rule.normalize_weights = false;
  out = Pick(rule, logits);
  EXPECT_NEAR(out.weights[0], 4.0 / 8, 1e-6);
  EXPECT_NEAR(out.weights[1], 3.0 / 8, 1e-6);
}

// Sigmoid scores: the best expert is in group 1, the best pair in group 0.
const std::vector<float> kGroupedLogits = {0.5f, 0.6f, 2.0f, -3.0f, 0.1f, 0.2f};

TEST(Gate, RanksGroupsByTheSumOfTheirTwoBestExperts) {
  const Picked out =
      Pick({.num_experts = 6, .experts_per_token = 2, .num_groups = 3}, kGroupedLogits);
  EXPECT_EQ(out.experts, (std::vector<int32_t>{1, 0}));
}

TEST(Gate, RanksGroupsByTheirBestExpert) {
  const Picked out = Pick(
      {.num_experts = 6, .experts_per_token = 2, .num_groups = 3, .group_score = GroupScore::kMax},
      kGroupedLogits);
  EXPECT_EQ(out.experts, (std::vector<int32_t>{2, 3}));
}

TEST(Gate, BreaksTiesOfGroupsByTheLowestIndex) {
  const Picked out =
      Pick({.num_experts = 8, .experts_per_token = 3, .num_groups = 4, .groups_per_token = 2},
           std::vector<float>(8, 0.0f));
  EXPECT_EQ(out.experts, (std::vector<int32_t>{0, 1, 2}));
}

TEST(Gate, NeverPicksFromAnotherGroupThoughEveryBiasedScoreIsNegative) {
  const Picked out = Pick({.num_experts = 4, .experts_per_token = 2, .num_groups = 2},
                          {0.0f, 0.0f, 1.0f, 1.0f}, std::vector<float>(4, -9.0f));
  EXPECT_EQ(out.experts, (std::vector<int32_t>{2, 3}));
}

TEST(Gate, RefusesPicksAndGroupsThatDoNotFitTheExperts) {
  const std::vector<float> logits(6);
  const GateRule rule{.num_experts = 6, .experts_per_token = 2};
  EXPECT_THROW(Pick({.num_experts = 2, .experts_per_token = 3}, logits), std::invalid_argument);
  for (const auto& [groups, kept] : {std::pair(4, 1), {0, 1}, {6, 3}, {3, 0}, {3, 4}}) {
    GateRule wrong = rule;
    wrong.num_groups = groups;
    wrong.groups_per_token = kept;
    EXPECT_THROW(Pick(wrong, logits), std::invalid_argument) << groups << ", " << kept;
  }
  GateRule narrow = rule;
  narrow.experts_per_token = 3;
  narrow.num_groups = 3;
  EXPECT_THROW(Pick(narrow, logits), std::invalid_argument);
}

}  // namespace
}  // namespace cohort::kernels
