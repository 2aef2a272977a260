#include "policy/transformer/ops/attend_segments.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <vector>

namespace cohort::policy {
namespace {

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// softmax over all rows of the pack with everything but own, earlier tokens masked out, in fp64; a
// soft cap as transformers' Gemma 2 has it and sinks [H] as its gpt-oss.
at::Tensor MaskedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const at::Tensor& allowed_TT, double soft_cap = 0,
                           const at::Tensor& sinks = {}) {
  const int64_t copies = q.size(1) / k.size(1);
  const at::Tensor keys = k.repeat_interleave(copies, 1).transpose(0, 1);
  const at::Tensor values = v.repeat_interleave(copies, 1).transpose(0, 1);
  at::Tensor scores =
      q.transpose(0, 1).matmul(keys.transpose(1, 2)) / std::sqrt(static_cast<double>(q.size(2)));
  if (soft_cap > 0) scores = at::tanh(scores / soft_cap) * soft_cap;
  scores = scores.masked_fill(allowed_TT.logical_not(), -INFINITY);
  if (sinks.defined()) {
    scores = at::cat({scores, sinks.view({-1, 1, 1}).expand({-1, q.size(0), 1})}, -1);
  }
  return scores.softmax(-1)
      .narrow(-1, 0, q.size(0))
      .matmul(values)
      .transpose(0, 1)
      .reshape({q.size(0), -1});
}

// A prompt of 3 with completions of 2 and 40, a sequence of 3 and one of 1.
const std::vector<Segment> kSegments = {{0, 3}, {3, 2, 0, 3}, {5, 40, 0, 3}, {45, 3}, {48, 1}};
constexpr int64_t kTokens = 49;

at::Tensor Allowed(int64_t window = 0) {
  const at::Tensor allowed = at::zeros({kTokens, kTokens}, at::kBool);
  for (const Segment& s : kSegments) {
    const at::Tensor rows = allowed.narrow(0, s.first, s.length);
    rows.narrow(1, s.prefix_first, s.prefix_length).fill_(true);
    rows.narrow(1, s.first, s.length).copy_(at::ones({s.length, s.length}, at::kBool).tril());
    for (int64_t i = 0; window > 0 && i < s.length; ++i) {
      const int64_t seen = s.prefix_length + i + 1;
      for (int64_t key = 0; key + window < seen; ++key) {
        const bool own = key >= s.prefix_length;
        allowed[s.first + i][own ? s.first + key - s.prefix_length : s.prefix_first + key] = false;
      }
    }
  }
  return allowed;
}

// fp32 takes our kernel, fp64 LibTorch's attention.
TEST(AttendSegments, EqualsMaskedSoftmaxAndItsGradientWithEitherImplementation) {
  at::manual_seed(1);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    std::vector<at::Tensor> wide, own;
    for (const auto& [heads, dim] :
         std::vector<std::pair<int64_t, int64_t>>{{6, 8}, {2, 8}, {2, 5}}) {
      wide.push_back(torch::randn({kTokens, heads, dim}, at::kDouble).requires_grad_());
      own.push_back(wide.back().detach().to(dtype).requires_grad_());
    }
    const at::Tensor expected = MaskedAttention(wide[0], wide[1], wide[2], Allowed());
    const at::Tensor out = AttendSegments(own[0], own[1], own[2], {1 / std::sqrt(8.0)}, kSegments);
    EXPECT_LT(LargestDifference(out, expected), 1e-5);
    const at::Tensor weight = torch::randn_like(expected);
    (expected * weight).sum().backward();
    (out * weight.to(dtype)).sum().backward();
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_LT(LargestDifference(own[i].grad(), wide[i].grad()), 2e-5) << i;
    }
  }
}

struct Extras {
  int64_t window;
  double soft_cap;
  bool sinks;
};
class AttentionExtras : public testing::TestWithParam<Extras> {};
INSTANTIATE_TEST_SUITE_P(All, AttentionExtras,
                         testing::Values(Extras{4, 0, false}, Extras{0, 0.6, false},
                                         Extras{0, 0, true}, Extras{5, 0, true},
                                         Extras{4, 2.0, false}, Extras{4, 1.5, true}));

TEST_P(AttentionExtras, EqualTheFormulaAndItsGradientWithEitherImplementation) {
  at::manual_seed(1);
  const auto [window, soft_cap, with_sinks] = GetParam();
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    std::vector<at::Tensor> wide, own;
    for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{
             {kTokens, 6, 8}, {kTokens, 2, 8}, {kTokens, 2, 5}, {6}}) {
      if (shape.size() == 1 && !with_sinks) continue;
      wide.push_back(torch::randn(shape, at::kDouble).requires_grad_());
      own.push_back(wide.back().detach().to(dtype).requires_grad_());
    }
    const auto sinks = [](const std::vector<at::Tensor>& from) {
      return from.size() > 3 ? from[3] : at::Tensor();
    };
    const at::Tensor expected =
        MaskedAttention(wide[0], wide[1], wide[2], Allowed(window), soft_cap, sinks(wide));
    const at::Tensor out =
        AttendSegments(own[0], own[1], own[2],
                       {.scale = 1 / std::sqrt(8.0), .window = window, .soft_cap = soft_cap},
                       kSegments, sinks(own));
    EXPECT_LT(LargestDifference(out, expected), 1e-5);
    const at::Tensor weight = torch::randn_like(expected);
    (expected * weight).sum().backward();
    (out * weight.to(dtype)).sum().backward();
    for (size_t i = 0; i < own.size(); ++i) {
      EXPECT_LT(LargestDifference(own[i].grad(), wide[i].grad()), 2e-5) << i;
    }
  }
}

// A frozen sink (LoRA) gets no gradient, and the others theirs.
TEST(AttendSegments, LeavesFrozenSinksAlone) {
  at::manual_seed(1);
  std::vector<at::Tensor> gradients;
  for (const bool frozen : {false, true}) {
    at::manual_seed(1);
    const at::Tensor q = torch::randn({kTokens, 2, 8}).requires_grad_(),
                     k = torch::randn({kTokens, 2, 8}),
                     sinks = torch::randn({2}).requires_grad_(!frozen);
    AttendSegments(q, k, k, {.scale = 0.3}, kSegments, sinks).square().sum().backward();
    EXPECT_EQ(sinks.grad().defined(), !frozen);
    gradients.push_back(q.grad());
  }
  EXPECT_TRUE(gradients[0].equal(gradients[1]));
}

}  // namespace
}  // namespace cohort::policy
