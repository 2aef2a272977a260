#include "policy/transformer/ops/logprobs.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace cohort::policy {
namespace {

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

struct Case {
  at::Tensor hidden, head, targets;

  Case(int64_t rows, int64_t width, int64_t vocab) {
    at::manual_seed(5);
    hidden = torch::randn({rows, width}, at::kDouble).requires_grad_();
    head = torch::randn({vocab, width}, at::kDouble).requires_grad_();
    targets = torch::randint(vocab, {rows}, at::kLong);
  }
};

// More rows than one chunk holds at this vocabulary (256), and a last chunk that is not full. One
// chain of 70000 roundings would miss the gradients by 3e-4.
TEST(TokenLogprobs, EqualsLogSoftmaxAndItsGradientAcrossChunks) {
  Case wide(300, 6, 70000);
  const double temperature = 1.3;
  const at::Tensor expected = at::log_softmax(wide.hidden.mm(wide.head.t()) / temperature, 1)
                                  .gather(1, wide.targets.unsqueeze(1))
                                  .squeeze(1);
  const at::Tensor hidden = wide.hidden.detach().to(at::kFloat).requires_grad_();
  const at::Tensor head = wide.head.detach().to(at::kFloat).requires_grad_();
  const TokenLogprobs out = ComputeTokenLogprobs(hidden, {head}, wide.targets, temperature);
  EXPECT_LT(LargestDifference(out.logprobs_N, expected), 2e-5);
  const at::Tensor coefficients = torch::randn({300}, at::kDouble);
  (expected * coefficients).sum().backward();
  (out.logprobs_N * coefficients.to(at::kFloat)).sum().backward();
  EXPECT_LT(LargestDifference(hidden.grad(), wide.hidden.grad()), 5e-5);
  EXPECT_LT(LargestDifference(head.grad(), wide.head.grad()), 5e-5);
}

TEST(TokenLogprobs, ReportsTheEntropyWithoutAGradient) {
  const Case wide(9, 4, 33);
  const at::Tensor logprobs = at::log_softmax(wide.hidden.mm(wide.head.t()) / 0.5, 1);
  const TokenLogprobs out = ComputeTokenLogprobs(wide.hidden.to(at::kFloat),
                                                 {wide.head.to(at::kFloat)}, wide.targets, 0.5);
  EXPECT_LT(LargestDifference(out.entropy_N, -(logprobs.exp() * logprobs).sum(1)), 1e-5);
  EXPECT_FALSE(out.entropy_N.requires_grad());
  EXPECT_TRUE(out.logprobs_N.requires_grad());
}

TEST(TokenLogprobs, SurvivesLogitsThatWouldOverflowExp) {
  const at::Tensor hidden = torch::tensor({{1000.0F, 0.0F}});
  const at::Tensor head = torch::tensor({{1.0F, 0.0F}, {-1.0F, 0.0F}});
  const TokenLogprobs out =
      ComputeTokenLogprobs(hidden, {head}, torch::tensor({0}, at::kLong), 1.0);
  EXPECT_EQ(out.logprobs_N.item<double>(), 0.0);
  EXPECT_EQ(out.entropy_N.item<double>(), 0.0);
}

TEST(TokenLogprobs, TakesNoRows) {
  const at::Tensor head = torch::randn({5, 3}).requires_grad_();
  const TokenLogprobs out =
      ComputeTokenLogprobs(at::zeros({0, 3}), {head}, at::empty({0}, at::kLong), 1.0);
  EXPECT_EQ(out.logprobs_N.size(0), 0);
  out.logprobs_N.sum().backward();
  EXPECT_EQ(head.grad().abs().sum().item<double>(), 0.0);
}

}  // namespace
}  // namespace cohort::policy
