#include "policy/transformer/ops/attend_segments.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <vector>

namespace cohort::policy {
namespace {

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
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
TEST(AttendSegments, EqualsMaskedSoftmaxAndItsGradientWithEitherImplementation) {
  torch::manual_seed(1);
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

}  // namespace
}  // namespace cohort::policy
