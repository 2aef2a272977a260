#include "policy/transformer/ops/expert_mlp.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "policy/transformer/expert_adapter.h"

namespace cohort::policy {
namespace {

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// openai/gpt-oss, gpt_oss/torch/model.py, swiglu; and silu(gate) up.
at::Tensor SlowUnit(GatedUnit unit, const at::Tensor& gate, const at::Tensor& up) {
  if (unit == GatedUnit::kSwiGlu) return at::silu(gate) * up;
  const at::Tensor g = gate.clamp_max(7.0);
  return g * at::sigmoid(1.702 * g) * (up.clamp(-7.0, 7.0) + 1);
}

// x [T, D], slot weights [T, K], gate_up, down and, where there are some, their biases.
using Inputs = std::vector<at::Tensor>;

// One token and slot at a time, by autograd.
at::Tensor SlowExperts(GatedUnit unit, const Inputs& in, const at::Tensor& experts) {
  const int64_t m = in[3].size(2);
  std::vector<at::Tensor> rows;
  for (int64_t t = 0; t < in[0].size(0); ++t) {
    at::Tensor row = at::zeros({in[0].size(1)}, in[0].options());
    for (int64_t k = 0; k < experts.size(1); ++k) {
      const auto e = experts[t][k].item<int64_t>();
      at::Tensor hidden = in[2][e].mv(in[0][t]);
      if (in.size() > 4) hidden = hidden + in[4][e];
      at::Tensor out = in[3][e].mv(SlowUnit(unit, hidden.narrow(0, 0, m), hidden.narrow(0, m, m)));
      if (in.size() > 4) out = out + in[5][e];
      row = row + in[1][t][k] * out;
    }
    rows.push_back(row);
  }
  return at::stack(rows);
}

ExpertWeights WeightsOf(GatedUnit unit, const Inputs& in) {
  return {in[2], in[3], in.size() > 4 ? in[4] : at::Tensor(), in.size() > 4 ? in[5] : at::Tensor(),
          unit};
}

struct Case {
  const char* name;
  GatedUnit unit;
  bool has_bias;
  bool adapted;  // by way of AdaptedExpertMlp, without an adapter
};

class ExpertMlpTest : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    Units, ExpertMlpTest,
    ::testing::Values(Case{"SwiGlu", GatedUnit::kSwiGlu, false, false},
                      Case{"SwiGluWithBiases", GatedUnit::kSwiGlu, true, false},
                      Case{"ClampedWithBiases", GatedUnit::kClampedSwiGlu, true, false},
                      Case{"SwiGluAmongAdapters", GatedUnit::kSwiGlu, false, true},
                      Case{"ClampedWithBiasesAmongAdapters", GatedUnit::kClampedSwiGlu, true,
                           true}),
    [](const auto& info) { return info.param.name; });

TEST_P(ExpertMlpTest, EqualsOneTokenAtATimeAndItsGradient) {
  at::manual_seed(4);
  const auto& [name, unit, has_bias, adapted] = GetParam();
  const int64_t tokens = 23, width = 10, m = 6, experts = 5;
  for (const int64_t per_token : {1, 2, 3}) {
    // Expert 4 gets nothing: its gradient is zero, not garbage.
    const at::Tensor choice = torch::rand({tokens, experts - 1})
                                  .argsort(/*dim=*/int64_t{1})
                                  .narrow(1, 0, per_token)
                                  .contiguous();
    const Dispatch dispatch = SortByExpert(choice, experts);
    std::vector<std::vector<int64_t>> shapes = {
        {tokens, width}, {tokens, per_token}, {experts, 2 * m, width}, {experts, width, m}};
    if (has_bias) shapes.insert(shapes.end(), {{experts, 2 * m}, {experts, width}});
    Inputs wide, narrow;
    for (const std::vector<int64_t>& shape : shapes) {
      // Wide enough that both ends of the clamp are met.
      const double scale = wide.size() == 4 ? 5 : 1;
      wide.push_back((scale * torch::randn(shape, at::kDouble)).detach().requires_grad_());
      narrow.push_back(wide.back().detach().to(at::kFloat).requires_grad_());
    }
    const at::Tensor expected = SlowExperts(unit, wide, choice);
    const ExpertWeights weights = WeightsOf(unit, narrow);
    const at::Tensor out = adapted ? AdaptedExpertMlp(narrow[0], narrow[1], weights, {}, dispatch)
                                   : ExpertMlp(narrow[0], narrow[1], weights, dispatch);
    EXPECT_LT(LargestDifference(out, expected), 2e-4);
    const at::Tensor coefficients = torch::randn({tokens, width}, at::kDouble);
    (expected * coefficients).sum().backward();
    (out * coefficients.to(at::kFloat)).sum().backward();
    for (size_t i = 0; i < wide.size(); ++i) {
      EXPECT_LT(LargestDifference(narrow[i].grad(), wide[i].grad()),
                2e-5 * (10 + wide[i].grad().abs().max().item<double>()))
          << "input " << i << " with " << per_token << " experts per token";
    }
    for (size_t i = 2; i < wide.size(); ++i) {
      EXPECT_EQ(narrow[i].grad()[4].abs().sum().item<double>(), 0.0) << i;
    }
  }
}

// However many threads sum an expert's rows.
TEST(ExpertMlpBias, GradientsHaveTheSameBitsOnEveryNumberOfThreads) {
  at::manual_seed(6);
  const int64_t tokens = 700, width = 24, m = 20, experts = 3;
  const at::Tensor choice = torch::randint(0, experts, {tokens, 1}, at::kLong);
  const Dispatch dispatch = SortByExpert(choice, experts);
  const Inputs start = {torch::randn({tokens, width}),         torch::rand({tokens, 1}),
                        torch::randn({experts, 2 * m, width}), torch::randn({experts, width, m}),
                        torch::randn({experts, 2 * m}),        torch::randn({experts, width})};
  const int threads = at::get_num_threads();
  std::vector<Inputs> gradients;
  for (const int count : {1, 2, 3}) {
    at::set_num_threads(count);
    Inputs in;
    for (const at::Tensor& tensor : start) in.push_back(tensor.clone().requires_grad_());
    ExpertMlp(in[0], in[1], WeightsOf(GatedUnit::kClampedSwiGlu, in), dispatch)
        .square()
        .sum()
        .backward();
    gradients.emplace_back();
    for (const at::Tensor& tensor : in) gradients.back().push_back(tensor.grad());
  }
  at::set_num_threads(threads);
  for (const size_t i : {4, 5}) {
    EXPECT_TRUE(at::equal(gradients[1][i], gradients[0][i])) << i;
    EXPECT_TRUE(at::equal(gradients[2][i], gradients[0][i])) << i;
  }
}

// Experts that adapters elsewhere froze have no gradient, their inputs have theirs.
TEST(ExpertMlpBias, OfFrozenExpertsHasNoGradient) {
  const at::Tensor x = torch::randn({4, 6}).requires_grad_();
  const at::Tensor bias = torch::randn({2, 6});
  const Dispatch dispatch = SortByExpert(torch::zeros({4, 1}, at::kLong), 2);
  const ExpertWeights weights{torch::randn({2, 10, 6}), torch::randn({2, 6, 5}),
                              torch::randn({2, 10}), bias, GatedUnit::kClampedSwiGlu};
  ExpertMlp(x, torch::ones({4, 1}), weights, dispatch).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(bias.grad().defined());
}

}  // namespace
}  // namespace cohort::policy
