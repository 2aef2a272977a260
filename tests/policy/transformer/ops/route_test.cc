#include "policy/transformer/ops/route.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

namespace cohort::policy {
namespace {

using kernels::GateRule;
using kernels::GateScore;
using kernels::GroupScore;

GateRule TwoOf(int64_t num_experts) {
  GateRule rule;
  rule.num_experts = num_experts;
  rule.experts_per_token = 2;
  return rule;
}

TEST(Route, PicksTheLowestIndicesAmongEquals) {
  const Routing routing = Route(at::zeros({3, 40}), at::zeros({40}), TwoOf(40));
  EXPECT_TRUE(at::equal(routing.experts_TK, torch::tensor({0, 1}, at::kLong).expand({3, 2})));
}

TEST(Route, ChoosesWithTheBiasAndWeighsWithoutIt) {
  const at::Tensor logits = torch::tensor({{0.0F, 1.0F, 2.0F}});
  const at::Tensor bias = torch::tensor({1.0F, 0.0F, 0.0F});
  GateRule rule = TwoOf(3);
  rule.routed_scaling = 2.0;
  const Routing routing = Route(logits, bias, rule);
  EXPECT_TRUE(at::equal(routing.experts_TK, torch::tensor({{0, 2}}, at::kLong)));
  const double first = 0.5;                            // sigmoid(0)
  const double second = 1.0 / (1.0 + std::exp(-2.0));  // sigmoid(2)
  EXPECT_NEAR(routing.weights_TK[0][0].item<double>(), 2 * first / (first + second), 1e-6);
  EXPECT_NEAR(routing.weights_TK[0][1].item<double>(), 2 * second / (first + second), 1e-6);
}

TEST(Route, LeavesWeightsAsTheyAreWhenNotNormalised) {
  GateRule rule = TwoOf(3);
  rule.normalize_weights = false;
  const Routing routing = Route(torch::tensor({{0.0F, 1.0F, -1.0F}}), at::zeros({3}), rule);
  EXPECT_NEAR(routing.weights_TK[0][0].item<double>(), 1.0 / (1.0 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(routing.weights_TK[0][1].item<double>(), 0.5, 1e-6);
}

TEST(Route, StaysFiniteWhenEverySigmoidUnderflows) {
  const Routing routing = Route(at::full({1, 4}, -200.0), at::zeros({4}), TwoOf(4));
  EXPECT_TRUE(routing.weights_TK.isfinite().all().item<bool>());
}

TEST(Route, NeverPicksFromOtherGroupsEvenBelowZero) {
  // Two groups of two; biases below zero leave every score of the kept group negative, so that 0 in
  // the place of the others would win.
  GateRule rule = TwoOf(4);
  rule.num_groups = 2;
  const Routing routing =
      Route(at::zeros({1, 4}), torch::tensor({-2.0F, -2.0F, -1.0F, -1.5F}), rule);
  EXPECT_TRUE(at::equal(routing.experts_TK, torch::tensor({{2, 3}}, at::kLong)));
}

TEST(Route, RanksAGroupByItsTwoBestOrByItsBest) {
  // sigmoid is monotone: group 0 has the best expert, group 1 the best two.
  const at::Tensor logits = torch::tensor({{2.0F, -9.0F, 1.0F, 1.0F}});
  GateRule rule = TwoOf(4);
  rule.num_groups = 2;
  EXPECT_TRUE(at::equal(Route(logits, {}, rule).experts_TK, torch::tensor({{2, 3}}, at::kLong)));
  rule.group_score = GroupScore::kMax;
  EXPECT_TRUE(at::equal(Route(logits, {}, rule).experts_TK, torch::tensor({{0, 1}}, at::kLong)));
}

TEST(Route, TakesTheSoftmaxOverAllExperts) {
  const at::Tensor logits = torch::tensor({{0.0F, 1.0F, 2.0F}});
  GateRule rule = TwoOf(3);
  rule.score = GateScore::kSoftmax;
  rule.normalize_weights = false;
  const double sum = 1.0 + std::exp(1.0) + std::exp(2.0);
  const at::Tensor plain = Route(logits, {}, rule).weights_TK;
  EXPECT_NEAR(plain[0][0].item<double>(), std::exp(2.0) / sum, 1e-6);
  EXPECT_NEAR(plain[0][1].item<double>(), std::exp(1.0) / sum, 1e-6);
  rule.normalize_weights = true;
  const at::Tensor shared = Route(logits, {}, rule).weights_TK;
  EXPECT_NEAR(shared[0][0].item<double>(), 1.0 / (1.0 + std::exp(-1.0)), 1e-6);
}

TEST(RouteTo, GivesTheBitsOfTheGateThatPickedTheSameExperts) {
  at::manual_seed(5);
  const at::Tensor logits = torch::randn({50, 12}), bias = torch::randn({12});
  for (const GateScore score : {GateScore::kSigmoid, GateScore::kSoftmax}) {
    GateRule rule = TwoOf(12);
    rule.score = score;
    rule.routed_scaling = 2.5;
    const Routing own = Route(logits, bias, rule);
    const Routing replayed = RouteTo(own.experts_TK, logits, rule);
    EXPECT_TRUE(at::equal(replayed.experts_TK, own.experts_TK));
    EXPECT_TRUE(at::equal(replayed.weights_TK, own.weights_TK));
  }
}

TEST(RouteTo, WeighsOthersExpertsByItsOwnScoresAndGivesThemTheGradient) {
  at::manual_seed(6);
  const at::Tensor experts = torch::tensor({{3, 0}, {1, 2}}, at::kLong);
  const at::Tensor logits = torch::randn({2, 4}).set_requires_grad(true);
  const at::Tensor weights = RouteTo(experts, logits, TwoOf(4)).weights_TK;
  const at::Tensor exact = logits.detach().to(at::kDouble).set_requires_grad(true);
  const at::Tensor scores = exact.sigmoid().gather(1, experts);
  const at::Tensor expected = scores / scores.sum(1, true);
  EXPECT_LT((weights - expected).abs().max().item<double>(), 1e-6);
  const at::Tensor gradient = torch::randn({2, 2});
  weights.backward(gradient);
  expected.backward(gradient.to(at::kDouble));
  EXPECT_LT((logits.grad() - exact.grad()).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(logits.grad()[0][1].item<float>(), 0);  // of an expert that it does not meet
}

TEST(CountDifferentlyRouted, ComparesSetsOfExperts) {
  const at::Tensor a = torch::tensor({{0, 1}, {2, 3}, {1, 0}}, at::kLong);
  const at::Tensor b = torch::tensor({{1, 0}, {2, 1}, {3, 2}}, at::kLong);
  EXPECT_EQ(CountDifferentlyRouted(a, b), 2);
}

}  // namespace
}  // namespace cohort::policy
