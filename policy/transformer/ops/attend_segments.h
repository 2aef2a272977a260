#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/cpu/segment_attention.h"

namespace cohort::policy {

// Rows of a pack that belong together: a sequence, or what follows a prefix that others share.
using Segment = kernels::AttentionSegment;

// As autograd keeps them for the way back, four numbers each.
std::vector<int64_t> NumbersOf(const std::vector<Segment>& segments);
std::vector<Segment> SegmentsOf(const std::vector<int64_t>& numbers);

struct AttentionScores {
  double scale = 1;
  int64_t window = 0;   // a row sees itself and the window - 1 rows before it; 0: all
  double soft_cap = 0;  // scores become cap tanh(score / cap) (arXiv 2408.00118); 0: none
};

// Causal softmax(scale * q k^T) v inside each segment and over its prefix; differentiable.
// q: [T, H, query_dim]; k: [T, KV heads, query_dim]; v: [T, KV heads, value_dim];
// out: [T, H * value_dim]. `sinks_H`: a logit of each head that joins its softmax and has no value
// (arXiv 2309.17453); undefined: none. In fp32 on the CPU it is kernels/cpu/segment_attention.h,
// else LibTorch, one segment after the other: scaled_dot_product_attention where that has it all.
at::Tensor AttendSegments(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const AttentionScores& scores, const std::vector<Segment>& segments,
                          const at::Tensor& sinks_H = {});

}  // namespace cohort::policy
