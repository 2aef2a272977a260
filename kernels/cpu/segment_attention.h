#pragma once

// Causal attention over packed sequences, with its gradients, for the learner. A sequence may go on
// from another one's rows: the completions of a group share their prompt's keys and values, which
// are therefore computed once (as in arXiv 2506.05433).
//
// Shapes: T packed rows, H query heads, G KV heads (H a multiple of G), d_k and d_v dimensions of a
// head. Scores of a row are computed whole, so the softmax is exact. Sums over keys run in the
// order of ops.h from the first key of the prefix on, hence a prefix gives the bits of a copy of
// it.

#include <cstdint>
#include <span>

#include "kernels/cpu/dense_product.h"
#include "kernels/cpu/ops.h"

namespace cohort::kernels {

// Rows [first, first + length) attend to all rows of the prefix and, causally, to each other. A
// prefix is exactly the rows of a segment without one.
struct AttentionSegment {
  int64_t first = 0, length = 0;
  int64_t prefix_first = 0, prefix_length = 0;
};

struct SegmentAttentionArgs {
  std::span<const AttentionSegment> segments;  // disjoint rows
  int64_t heads = 0, kv_heads = 0;
  int64_t qk_dim = 0, v_dim = 0;
  float scale = 1;  // of q k^T before the softmax
  // A score is soft_cap tanh(scale q.k / soft_cap) (arXiv 2408.00118 section 2.2); 0: scale q.k.
  float soft_cap = 0;
  // A row sees itself and the window - 1 keys before it (arXiv 2310.06825 section 2); 0: all.
  int64_t window = 0;
  const float* q = nullptr;  // [T, H, d_k]
  const float* k = nullptr;  // [T, G, d_k]
  const float* v = nullptr;  // [T, G, d_v]
  // [H], a logit of each head that joins its softmax and has no value (arXiv 2309.17453); null:
  // none.
  const float* sinks = nullptr;
};

// out[T, H, d_v], rows of the segments only.
void AttendSegments(const SegmentAttentionArgs& args, float* out, const Ops& ops,
                    const ParallelTasks& parallel);

struct SegmentAttentionGradients {
  float* q = nullptr;  // [T, H, d_k], rows of the segments are written
  float* k = nullptr;  // [T, G, d_k], added to
  float* v = nullptr;  // [T, G, d_v], added to
  // [H], added to; null: not wanted. Sums of chains over at most 48 rows, added up in order.
  float* sinks = nullptr;
};
// Gradients of <out, out_gradient>; out_gradient[T, H, d_v]. Their bits do not depend on
// `parallel`. Those of keys and values are sums of chains over at most 48 queries.
void AttendSegmentsBackward(const SegmentAttentionArgs& args, const float* out_gradient,
                            const SegmentAttentionGradients& gradients, const Ops& ops,
                            const ParallelTasks& parallel);

}  // namespace cohort::kernels
