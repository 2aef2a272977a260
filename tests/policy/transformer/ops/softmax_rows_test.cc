#include "policy/transformer/ops/softmax_rows.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <utility>

namespace cohort::policy {
namespace {

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

NormalizedRows Empty(const at::Tensor& logits) {
  const auto make = [&] { return at::empty({logits.size(0)}, logits.options()); };
  return {make(), make(), {make(), make()}};
}

// fp64 takes LibTorch's way, fp32 the kernels'; both beside autograd.
TEST(SoftmaxRows, BothWaysAgreeWithLogSoftmaxAndItsGradient) {
  at::manual_seed(3);
  const at::Tensor logits = (8 * torch::randn({200, 1003}, at::kDouble)).requires_grad_();
  const at::Tensor targets = torch::randint(1003, {200}, at::kLong);
  const at::Tensor weight = torch::randn({200}, at::kDouble);
  const double temperature = 0.7;
  const at::Tensor all = at::log_softmax(logits / temperature, 1);
  const at::Tensor expected = all.gather(1, targets.unsqueeze(1)).squeeze(1);
  (expected * weight).sum().backward();
  const at::NoGradGuard no_grad;
  for (const auto& [dtype, tolerance] : {std::pair{at::kDouble, 1e-12}, {at::kFloat, 1e-5}}) {
    const LogitRows rows{logits.to(dtype), targets, temperature};
    const NormalizedRows out = Empty(rows.logits_NV);
    Normalize(rows, out);
    EXPECT_LT(LargestDifference(out.logprobs, expected), tolerance);
    EXPECT_LT(LargestDifference(out.entropy, -(all.exp() * all).sum(1)), tolerance);
    const at::Tensor gradient = LogitGradient(rows, out.scale, (weight / temperature).to(dtype));
    EXPECT_LT(LargestDifference(gradient, logits.grad()), tolerance);
  }
}

// Late in a run most tokens are sure, and Adam magnifies what their gradients have left.
TEST(SoftmaxRows, ASureTokenKeepsItsSmallGradient) {
  const at::Tensor logits = at::linspace(20.0, 30.0, 200, at::kDouble).unsqueeze(1) *
                            torch::tensor({{1.0, 0.5}}, at::kDouble);
  const at::Tensor targets = at::zeros({200}, at::kLong), weight = at::ones({200}, at::kDouble);
  const at::Tensor exact = at::sigmoid(logits.select(1, 1) - logits.select(1, 0));
  const LogitRows rows{logits.to(at::kFloat), targets, 1.0};
  const NormalizedRows out = Empty(rows.logits_NV);
  Normalize(rows, out);
  const at::Tensor gradient = LogitGradient(rows, out.scale, weight.to(at::kFloat));
  EXPECT_LT(LargestDifference(gradient.select(1, 0), exact), 1.2e-7);  // the spacing below 1
}

TEST(SoftmaxRows, ALogitThatIsNotANumberMakesItsRowNone) {
  const at::Tensor logits = torch::zeros({2, 40});
  logits[1][33] = NAN;
  const NormalizedRows out = Empty(logits);
  Normalize({logits, torch::zeros({2}, at::kLong), 1.0}, out);
  EXPECT_NEAR(out.logprobs[0].item<double>(), -std::log(40.0), 1e-6);
  EXPECT_TRUE(std::isnan(out.logprobs[1].item<double>()));
}

}  // namespace
}  // namespace cohort::policy
