#include "policy/attention.h"

#include <gtest/gtest.h>

#include "policy/rmsnorm.h"
#include "policy/rope.h"

namespace cohort::policy {
namespace {

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

RopeFrequencies Frequencies(int64_t rotary_dim, double base) {
  RopeConfig rope;
  rope.base = base;
  return ComputeRopeFrequencies(rope, rotary_dim);
}

// softmax over all rows of the pack with everything but own, earlier tokens masked out, in fp64.
at::Tensor MaskedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const at::Tensor& allowed_TT) {
  const int64_t copies = q.size(1) / k.size(1);
  const at::Tensor keys = k.repeat_interleave(copies, 1).transpose(0, 1);
  const at::Tensor values = v.repeat_interleave(copies, 1).transpose(0, 1);
  at::Tensor scores =
      q.transpose(0, 1).matmul(keys.transpose(1, 2)) / std::sqrt(static_cast<double>(q.size(2)));
  scores = scores.masked_fill(allowed_TT.logical_not(), -INFINITY).softmax(-1);
  return scores.matmul(values).transpose(0, 1).reshape({q.size(0), -1});
}

TEST(Attention, EqualsMaskedSoftmaxAndItsGradient) {
  torch::manual_seed(1);
  const std::vector<SequenceGroup> groups = {{1, 2}, {3, 2}, {40, 1}};
  const std::vector<int64_t> lengths = {1, 1, 3, 3, 40};
  const int64_t tokens = 48;
  at::Tensor allowed = at::zeros({tokens, tokens}, at::kBool);
  int64_t first = 0;
  for (const int64_t length : lengths) {
    allowed.narrow(0, first, length)
        .narrow(1, first, length)
        .copy_(at::ones({length, length}, at::kBool).tril());
    first += length;
  }
  std::vector<at::Tensor> wide, narrow;
  for (const int64_t heads : {6, 2, 2}) {
    wide.push_back(torch::randn({tokens, heads, 8}, at::kDouble).requires_grad_());
    narrow.push_back(wide.back().detach().to(at::kFloat).requires_grad_());
  }
  const at::Tensor expected = MaskedAttention(wide[0], wide[1], wide[2], allowed);
  const at::Tensor out =
      AttendWithinSequences(narrow[0], narrow[1], narrow[2], 1 / std::sqrt(8.0), groups);
  EXPECT_LT(LargestDifference(out, expected), 1e-5);
  const at::Tensor weight = torch::randn_like(expected);
  (expected * weight).sum().backward();
  (out * weight.to(at::kFloat)).sum().backward();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_LT(LargestDifference(narrow[i].grad(), wide[i].grad()), 2e-5) << i;
  }
}

TEST(SequenceGroups, PutsEqualLengthsTogetherAndKeepsTheirOrder) {
  const SequenceGroups grouped = GroupByLength({0, 2, 3, 5, 5}, at::kCPU);
  ASSERT_EQ(grouped.groups.size(), 2u);
  EXPECT_EQ(grouped.groups[0].length, 1);
  EXPECT_EQ(grouped.groups[0].count, 1);
  EXPECT_EQ(grouped.groups[1].length, 2);
  EXPECT_EQ(grouped.groups[1].count, 2);
  EXPECT_TRUE(at::equal(grouped.order_T, torch::tensor({2, 0, 1, 3, 4}, at::kLong)));
  EXPECT_TRUE(at::equal(grouped.inverse_T, torch::tensor({1, 2, 0, 3, 4}, at::kLong)));
}

TEST(SequenceGroups, LeavesAPackThatIsInOrderAlone) {
  EXPECT_FALSE(GroupByLength({0, 1, 3, 5}, at::kCPU).order_T.defined());
}

TEST(Rope, RotatesPairsOfHalves) {
  // Position 3, head_dim 4, base 100: angles 3 and 0.3 for the pairs (0, 2) and (1, 3).
  const RopeTable table = MakeRopeTable(torch::tensor({3}, at::kLong), Frequencies(4, 100.0));
  const at::Tensor x = torch::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({1, 1, 4});
  const at::Tensor y = Rotate(x, table, false).flatten();
  EXPECT_NEAR(y[0].item<double>(), std::cos(3.0) - 3 * std::sin(3.0), 1e-6);
  EXPECT_NEAR(y[1].item<double>(), 2 * std::cos(0.3) - 4 * std::sin(0.3), 1e-6);
  EXPECT_NEAR(y[2].item<double>(), 3 * std::cos(3.0) + std::sin(3.0), 1e-6);
  EXPECT_NEAR(y[3].item<double>(), 4 * std::cos(0.3) + 2 * std::sin(0.3), 1e-6);
}

TEST(Rope, RotatesNeighboursWhenInterleaved) {
  // The pairs (0, 1) and (2, 3) turn as (0, 2) and (1, 3) do above, and come out half-split.
  const RopeTable table = MakeRopeTable(torch::tensor({3}, at::kLong), Frequencies(4, 100.0));
  const at::Tensor x = torch::tensor({1.0F, 3.0F, 2.0F, 4.0F}).view({1, 1, 4});
  const at::Tensor halves = torch::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({1, 1, 4});
  EXPECT_TRUE(at::equal(Rotate(x, table, true), Rotate(halves, table, false)));
}

class RopeGradient : public ::testing::TestWithParam<bool> {};

TEST_P(RopeGradient, IsThatOfARotation) {
  torch::manual_seed(2);
  const RopeTable table = MakeRopeTable(at::arange(5), Frequencies(6, 10000.0));
  const at::Tensor x = torch::randn({5, 2, 6}).requires_grad_();
  const at::Tensor weight = torch::randn({5, 2, 6});
  (Rotate(x, table, GetParam()) * weight).sum().backward();
  // A rotation is linear: <R x, w> = <x, grad>, and it keeps lengths.
  EXPECT_NEAR((Rotate(x, table, GetParam()) * weight).sum().item<double>(),
              (x * x.grad()).sum().item<double>(), 1e-4);
  EXPECT_LT(LargestDifference(x.grad().norm(2, {-1}), weight.norm(2, {-1})), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Layouts, RopeGradient, ::testing::Bool());

TEST(RmsNorm, EqualsItsFormulaAndItsGradient) {
  torch::manual_seed(3);
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
