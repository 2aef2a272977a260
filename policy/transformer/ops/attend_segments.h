#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/cpu/segment_attention.h"

namespace cohort::policy {

// Rows of a pack that belong together: a sequence, or what follows a prefix that others share.
using Segment = kernels::AttentionSegment;

struct AttentionScores {
  double scale = 1;
  int64_t window = 0;  // a row sees itself and the window - 1 rows before it; 0: all
};

// Causal softmax(scale * q k^T) v inside each segment and over its prefix; differentiable.
// q: [T, H, query_dim]; k: [T, KV heads, query_dim]; v: [T, KV heads, value_dim];
// out: [T, H * value_dim]. In fp32 on the CPU it is kernels/cpu/segment_attention.h, else
// LibTorch's scaled_dot_product_attention, one call a segment.
at::Tensor AttendSegments(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const AttentionScores& scores, const std::vector<Segment>& segments);

}  // namespace cohort::policy
