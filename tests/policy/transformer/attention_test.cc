#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "base/error.h"
#include "policy/transformer/ops/attend_segments.h"
#include "policy/transformer/ops/rmsnorm.h"
#include "policy/transformer/ops/rope.h"

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

// A prompt of 3 with completions of 2 and 40, a sequence of 3 and one of 1.
const std::vector<Segment> kSegments = {{0, 3}, {3, 2, 0, 3}, {5, 40, 0, 3}, {45, 3}, {48, 1}};
constexpr int64_t kTokens = 49;

at::Tensor Allowed() {
  const at::Tensor allowed = at::zeros({kTokens, kTokens}, at::kBool);
  for (const Segment& s : kSegments) {
    const at::Tensor rows = allowed.narrow(0, s.first, s.length);
    rows.narrow(1, s.prefix_first, s.prefix_length).fill_(true);
    rows.narrow(1, s.first, s.length).copy_(at::ones({s.length, s.length}, at::kBool).tril());
  }
  return allowed;
}

// fp32 takes our kernel, fp64 LibTorch's attention.
TEST(Attention, EqualsMaskedSoftmaxAndItsGradientWithEitherImplementation) {
  torch::manual_seed(1);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    std::vector<at::Tensor> wide, own;
    for (const auto& [heads, dim] :
         std::vector<std::pair<int64_t, int64_t>>{{6, 8}, {2, 8}, {2, 5}}) {
      wide.push_back(torch::randn({kTokens, heads, dim}, at::kDouble).requires_grad_());
      own.push_back(wide.back().detach().to(dtype).requires_grad_());
    }
    const at::Tensor expected = MaskedAttention(wide[0], wide[1], wide[2], Allowed());
    const at::Tensor out = AttendSegments(own[0], own[1], own[2], 1 / std::sqrt(8.0), kSegments);
    EXPECT_LT(LargestDifference(out, expected), 1e-5);
    const at::Tensor weight = torch::randn_like(expected);
    (expected * weight).sum().backward();
    (out * weight.to(dtype)).sum().backward();
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_LT(LargestDifference(own[i].grad(), wide[i].grad()), 2e-5) << i;
    }
  }
}

TEST(PackedTokens, PiecesContinueThePositionsOfTheirPrefix) {
  const std::vector<int32_t> prompt = {7, 8}, first = {1, 2, 3}, none, other = {9};
  const PackedTokens pack = Pack(std::vector<Piece>{{prompt}, {first, 0}, {none, 0}, {other}});
  EXPECT_TRUE(at::equal(pack.ids_T, torch::tensor({7, 8, 1, 2, 3, 9}, at::kLong)));
  EXPECT_TRUE(at::equal(pack.positions_T, torch::tensor({0, 1, 2, 3, 4, 0}, at::kLong)));
  ASSERT_EQ(pack.segments.size(), 4u);
  EXPECT_EQ(pack.segments[1].first, 2);
  EXPECT_EQ(pack.segments[1].prefix_length, 2);
  EXPECT_EQ(pack.segments[2].length, 0);
  EXPECT_EQ(pack.segments[3].prefix_length, 0);
  EXPECT_THROW(Pack(std::vector<Piece>{{prompt}, {first, 0}, {other, 1}}), Error);
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
