#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "policy/transformer/ops/attend_segments.h"

namespace cohort::policy {

// silu of a causal convolution of each channel by itself: row t of a segment (its prefix before it,
// zeros before that) is silu(sum_j weight[c, j] x[t - W + 1 + j, c]). x_TC [T, C], weight_CW [C,
// W]. The segments are x's rows, in order. Differentiable.
at::Tensor CausalConvSilu(const at::Tensor& x_TC, const at::Tensor& weight_CW,
                          const std::vector<Segment>& segments);

}  // namespace cohort::policy
