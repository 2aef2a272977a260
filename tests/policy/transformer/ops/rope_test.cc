#include "policy/transformer/ops/rope.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

namespace cohort::policy {
namespace {

RopeFrequencies Frequencies(int64_t rotary_dim, double base) {
  RopeConfig rope;
  rope.base = base;
  return ComputeRopeFrequencies(rope, rotary_dim);
}

TEST(Rope, RotatesPairsOfHalves) {
  // Position 3, head_dim 4, base 100: angles 3 and 0.3 for the pairs (0, 2) and (1, 3).
  const RopeAngles angles = RopeAnglesAt(torch::tensor({3}, at::kLong), Frequencies(4, 100.0));
  const at::Tensor x = torch::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({1, 1, 4});
  const at::Tensor y = Rotate(x, angles, false).flatten();
  EXPECT_NEAR(y[0].item<double>(), std::cos(3.0) - 3 * std::sin(3.0), 1e-6);
  EXPECT_NEAR(y[1].item<double>(), 2 * std::cos(0.3) - 4 * std::sin(0.3), 1e-6);
  EXPECT_NEAR(y[2].item<double>(), 3 * std::cos(3.0) + std::sin(3.0), 1e-6);
  EXPECT_NEAR(y[3].item<double>(), 4 * std::cos(0.3) + 2 * std::sin(0.3), 1e-6);
}

TEST(Rope, RotatesNeighboursWhenInterleaved) {
  // The pairs (0, 1) and (2, 3) turn as (0, 2) and (1, 3) do above, and come out half-split.
  const RopeAngles angles = RopeAnglesAt(torch::tensor({3}, at::kLong), Frequencies(4, 100.0));
  const at::Tensor x = torch::tensor({1.0F, 3.0F, 2.0F, 4.0F}).view({1, 1, 4});
  const at::Tensor halves = torch::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({1, 1, 4});
  EXPECT_TRUE(at::equal(Rotate(x, angles, true), Rotate(halves, angles, false)));
}

class RopeGradient : public ::testing::TestWithParam<bool> {};

TEST_P(RopeGradient, IsThatOfARotation) {
  at::manual_seed(2);
  const RopeAngles angles = RopeAnglesAt(at::arange(5), Frequencies(6, 10000.0));
  const at::Tensor x = torch::randn({5, 2, 6}).requires_grad_();
  const at::Tensor weight = torch::randn({5, 2, 6});
  (Rotate(x, angles, GetParam()) * weight).sum().backward();
  // A rotation is linear: <R x, w> = <x, grad>, and it keeps lengths.
  EXPECT_NEAR((Rotate(x, angles, GetParam()) * weight).sum().item<double>(),
              (x * x.grad()).sum().item<double>(), 1e-4);
  EXPECT_LT((x.grad().norm(2, {-1}) - weight.norm(2, {-1})).abs().max().item<double>(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Layouts, RopeGradient, ::testing::Bool());

}  // namespace
}  // namespace cohort::policy
