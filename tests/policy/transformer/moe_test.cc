#include "policy/transformer/moe.h"

#include <gtest/gtest.h>

#include "policy/transformer/expert_mlp.h"

namespace cohort::policy {
namespace {

MoeConfig TwoOf(int64_t num_experts) {
  MoeConfig config;
  config.num_experts = num_experts;
  config.experts_per_token = 2;
  return config;
}

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(Route, PicksTheLowestIndicesAmongEquals) {
  const Routing routing = Route(at::zeros({3, 40}), at::zeros({40}), TwoOf(40));
  EXPECT_TRUE(at::equal(routing.experts_TK, torch::tensor({0, 1}, at::kLong).expand({3, 2})));
}

TEST(Route, ChoosesWithTheBiasAndWeighsWithoutIt) {
  const at::Tensor logits = torch::tensor({{0.0F, 1.0F, 2.0F}});
  const at::Tensor bias = torch::tensor({1.0F, 0.0F, 0.0F});
  MoeConfig config = TwoOf(3);
  config.routed_scaling = 2.0;
  const Routing routing = Route(logits, bias, config);
  EXPECT_TRUE(at::equal(routing.experts_TK, torch::tensor({{0, 2}}, at::kLong)));
  const double first = 0.5;                            // sigmoid(0)
  const double second = 1.0 / (1.0 + std::exp(-2.0));  // sigmoid(2)
  EXPECT_NEAR(routing.weights_TK[0][0].item<double>(), 2 * first / (first + second), 1e-6);
  EXPECT_NEAR(routing.weights_TK[0][1].item<double>(), 2 * second / (first + second), 1e-6);
}

TEST(Route, LeavesWeightsAsTheyAreWhenNotNormalised) {
  MoeConfig config = TwoOf(3);
  config.normalize_weights = false;
  const Routing routing = Route(torch::tensor({{0.0F, 1.0F, -1.0F}}), at::zeros({3}), config);
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
  MoeConfig config = TwoOf(4);
  config.num_groups = 2;
  const Routing routing =
      Route(at::zeros({1, 4}), torch::tensor({-2.0F, -2.0F, -1.0F, -1.5F}), config);
  EXPECT_TRUE(at::equal(routing.experts_TK, torch::tensor({{2, 3}}, at::kLong)));
}

TEST(Route, RanksAGroupByItsTwoBestOrByItsBest) {
  // sigmoid is monotone: group 0 has the best expert, group 1 the best two.
  const at::Tensor logits = torch::tensor({{2.0F, -9.0F, 1.0F, 1.0F}});
  MoeConfig config = TwoOf(4);
  config.num_groups = 2;
  EXPECT_TRUE(at::equal(Route(logits, {}, config).experts_TK, torch::tensor({{2, 3}}, at::kLong)));
  config.group_score = GroupScore::kMax;
  EXPECT_TRUE(at::equal(Route(logits, {}, config).experts_TK, torch::tensor({{0, 1}}, at::kLong)));
}

TEST(Route, TakesTheSoftmaxOverAllExperts) {
  const at::Tensor logits = torch::tensor({{0.0F, 1.0F, 2.0F}});
  MoeConfig config = TwoOf(3);
  config.score = GateScore::kSoftmax;
  config.normalize_weights = false;
  const double sum = 1.0 + std::exp(1.0) + std::exp(2.0);
  const at::Tensor plain = Route(logits, {}, config).weights_TK;
  EXPECT_NEAR(plain[0][0].item<double>(), std::exp(2.0) / sum, 1e-6);
  EXPECT_NEAR(plain[0][1].item<double>(), std::exp(1.0) / sum, 1e-6);
  config.normalize_weights = true;
  const at::Tensor shared = Route(logits, {}, config).weights_TK;
  EXPECT_NEAR(shared[0][0].item<double>(), 1.0 / (1.0 + std::exp(-1.0)), 1e-6);
}

TEST(SortByExpert, KeepsSlotOrderInsideAnExpert) {
  const Dispatch dispatch = SortByExpert(torch::tensor({{2, 0}, {0, 2}, {2, 3}}, at::kLong), 5);
  EXPECT_EQ(dispatch.offsets, (std::vector<int64_t>{0, 2, 2, 5, 6, 6}));
  EXPECT_TRUE(at::equal(dispatch.slot_S, torch::tensor({1, 2, 0, 3, 4, 5}, at::kLong)));
  EXPECT_TRUE(at::equal(dispatch.token_S, torch::tensor({0, 1, 0, 1, 2, 2}, at::kLong)));
  EXPECT_TRUE(at::equal(dispatch.row_S, torch::tensor({2, 0, 1, 3, 4, 5}, at::kLong)));
}

// One token and slot at a time, by autograd.
at::Tensor SlowExperts(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& gate_up,
                       const at::Tensor& down, const at::Tensor& experts) {
  const int64_t m = down.size(2);
  std::vector<at::Tensor> rows;
  for (int64_t t = 0; t < x.size(0); ++t) {
    at::Tensor row = at::zeros({x.size(1)}, x.options());
    for (int64_t k = 0; k < experts.size(1); ++k) {
      const auto e = experts[t][k].item<int64_t>();
      const at::Tensor hidden = gate_up[e].mv(x[t]);
      const at::Tensor active = at::silu(hidden.narrow(0, 0, m)) * hidden.narrow(0, m, m);
      row = row + weights[t][k] * down[e].mv(active);
    }
    rows.push_back(row);
  }
  return at::stack(rows);
}

TEST(ExpertMlp, EqualsOneTokenAtATimeAndItsGradient) {
  torch::manual_seed(4);
  const int64_t tokens = 23, width = 10, m = 6, experts = 5;
  for (const int64_t per_token : {1, 2, 3}) {
    // Expert 4 gets nothing: its gradient is zero, not garbage.
    const at::Tensor choice = torch::rand({tokens, experts - 1})
                                  .argsort(/*dim=*/int64_t{1})
                                  .narrow(1, 0, per_token)
                                  .contiguous();
    const Dispatch dispatch = SortByExpert(choice, experts);
    std::vector<at::Tensor> wide, narrow;
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{tokens, width},
                                              {tokens, per_token},
                                              {experts, 2 * m, width},
                                              {experts, width, m}}) {
      wide.push_back(torch::randn(shape, at::kDouble).requires_grad_());
      narrow.push_back(wide.back().detach().to(at::kFloat).requires_grad_());
    }
    const at::Tensor expected = SlowExperts(wide[0], wide[1], wide[2], wide[3], choice);
    const at::Tensor out = ExpertMlp(narrow[0], narrow[1], narrow[2], narrow[3], dispatch);
    EXPECT_LT(LargestDifference(out, expected), 1e-4);
    const at::Tensor coefficients = torch::randn({tokens, width}, at::kDouble);
    (expected * coefficients).sum().backward();
    (out * coefficients.to(at::kFloat)).sum().backward();
    for (size_t i = 0; i < wide.size(); ++i) {
      EXPECT_LT(LargestDifference(narrow[i].grad(), wide[i].grad()), 2e-4)
          << "input " << i << " with " << per_token << " experts per token";
    }
    EXPECT_EQ(narrow[2].grad()[4].abs().sum().item<double>(), 0.0);
  }
}

}  // namespace
}  // namespace cohort::policy
