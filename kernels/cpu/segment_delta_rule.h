#pragma once

// The gated delta rule over packed sequences, with its gradients, for the learner. The completions
// of a group go on from the state at their prompt's end.
//
// Shapes as in delta_rule.h; matrices are contiguous.

#include <span>

#include "kernels/cpu/delta_rule.h"
#include "kernels/cpu/segment_attention.h"

namespace cohort::kernels {

struct SegmentDeltaRuleArgs : DeltaRuleShape {
  std::span<const AttentionSegment> segments;  // disjoint rows
  const float* q = nullptr;                    // [T, G, d_k]
  const float* k = nullptr;                    // [T, G, d_k]
  const float* v = nullptr;                    // [T, H, d_v]
  const float* decay = nullptr;                // [T, H]
  const float* beta = nullptr;                 // [T, H]
};

// out and residual [T, H, d_v], rows of the segments only. The bits are DeltaRule's.
void DeltaRuleOverSegments(const SegmentDeltaRuleArgs& args, float* out, float* residual,
                           const Ops& ops, const ParallelTasks& parallel);

struct DeltaRuleGradients {
  float* q = nullptr;          // added to
  float* k = nullptr;          // added to
  float* v = nullptr;          // the rows of the segments are written
  float* log_decay = nullptr;  // [T, H], of the decay's logarithm
  float* beta = nullptr;
};
// What the backward pass reads beside the arguments.
struct DeltaRuleKept {
  const float* log_decay = nullptr;  // [T, H]
  const float* residual = nullptr;   // [T, H, d_v]
  const float* out_gradient = nullptr;
};
// Gradients of <out, out_gradient>, chunk by chunk from the end: given the residuals, a chunk's
// outputs and its last state are products of matrices (arXiv 2412.06464 section 3.3). The bits do
// not depend on `parallel`.
void DeltaRuleOverSegmentsBackward(const SegmentDeltaRuleArgs& args, const DeltaRuleKept& kept,
                                   const DeltaRuleGradients& gradients, const Ops& ops,
                                   const ParallelTasks& parallel);

}  // namespace cohort::kernels
