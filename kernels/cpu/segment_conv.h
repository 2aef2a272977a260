#pragma once

// The short causal convolution before a gated delta rule, over packed sequences, with its
// gradients, for the learner. The completions of a group go on from their prompt's last rows.
//
// Shapes: T packed rows, C channels, each convolved by itself, W the width.

#include <span>

#include "kernels/cpu/dense_product.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/segment_attention.h"

namespace cohort::kernels {

struct SegmentConvArgs {
  std::span<const AttentionSegment> segments;  // disjoint rows
  int64_t channels = 0, width = 0;
  const float* x = nullptr;       // [T, C]
  const float* weight = nullptr;  // [W, C], that of the oldest row first
};

// out [T, C], rows of the segments only: silu(sum_j weight[j] x[t - W + 1 + j]), with zeros before
// a sequence's start. The bits are those of Ops::conv_silu.
void ConvSiluOverSegments(const SegmentConvArgs& args, float* out, const Ops& ops,
                          const ParallelTasks& parallel);

struct ConvGradients {
  float* x = nullptr;       // [T, C], rows of the segments are written
  float* weight = nullptr;  // [W, C], written
};
// Gradients of <out, out_gradient>. Their bits do not depend on `parallel`.
void ConvSiluOverSegmentsBackward(const SegmentConvArgs& args, const float* out_gradient,
                                  const ConvGradients& gradients, const Ops& ops,
                                  const ParallelTasks& parallel);

}  // namespace cohort::kernels
