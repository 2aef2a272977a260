#include "policy/transformer/ops/rms_normalize.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace cohort::policy {
namespace {

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(RmsNormalize, EqualsItsFormulaAndItsGradient) {
  at::manual_seed(3);
  const at::Tensor wide = torch::randn({7, 12}, at::kDouble).requires_grad_();
  const at::Tensor wide_weight = torch::rand({12}, at::kDouble).requires_grad_();
  const at::Tensor x = wide.detach().to(at::kFloat).requires_grad_();
  const at::Tensor weight = wide_weight.detach().to(at::kFloat).requires_grad_();
  const at::Tensor expected = wide_weight * wide * (wide.square().mean(-1, true) + 0.01).rsqrt();
  const at::Tensor out = RmsNormalize(x, weight, 0.01);
  EXPECT_LT(LargestDifference(out, expected), 1e-6);
  const at::Tensor coefficients = torch::randn({7, 12}, at::kDouble);
  (expected * coefficients).sum().backward();
  (out * coefficients.to(at::kFloat)).sum().backward();
  EXPECT_LT(LargestDifference(x.grad(), wide.grad()), 1e-5);
  EXPECT_LT(LargestDifference(weight.grad(), wide_weight.grad()), 1e-5);
}

}  // namespace
}  // namespace cohort::policy
