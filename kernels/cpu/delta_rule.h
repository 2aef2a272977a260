#pragma once

// The gated delta rule (arXiv 2412.06464 eq. 10): in the place of attention over all keys, each
// head keeps a matrix that every token updates and reads. Token by token, in the order of sums that
// delta_scan.h states: neither the cut of a sequence into runs nor the thread count nor the
// sequences beside it change a bit.
//
// Shapes: T rows, G key heads, H value heads (H a multiple of G, neighbours share one), d_k and d_v
// dimensions of a head.

#include <cstdint>
#include <span>

#include "kernels/cpu/dense_product.h"
#include "kernels/cpu/ops.h"

namespace cohort::kernels {

struct DeltaRuleShape {
  int64_t key_heads = 0, value_heads = 0;
  int64_t key_dim = 0, value_dim = 0;

  // Of one head's state: panels of 16 columns, [ceil(d_v / 16)][d_k][16], zero beyond d_v.
  int64_t head_floats() const { return (value_dim + 15) / 16 * 16 * key_dim; }
  int64_t state_floats() const { return value_heads * head_floats(); }  // of all heads, in order
};

// Consecutive rows of one sequence.
struct DeltaRun {
  int64_t first = 0, length = 0;
  const float* before = nullptr;  // the state that the run starts from; null: zero
  float* after = nullptr;         // gets the last one; may be `before`; null: not wanted
};

struct DeltaRuleArgs : DeltaRuleShape {
  std::span<const DeltaRun> runs;  // disjoint rows, distinct `after`
  const float* q = nullptr;        // row t's [G, d_k] at q + t * qk_row
  const float* k = nullptr;
  int64_t qk_row = 0;
  const float* v = nullptr;  // [H, d_v] at v + t * v_row
  int64_t v_row = 0;
  const float* decay = nullptr;  // [H] at decay + t * gate_row: what the state is multiplied by
  const float* beta = nullptr;
  int64_t gate_row = 0;
};

// out: [H, d_v] at out + t * out_row. `residual`, laid out as out, gets v - decay S^T k, which the
// gradients want; may be null.
struct DeltaRuleOutput {
  float* out = nullptr;
  int64_t out_row = 0;
  float* residual = nullptr;
};
void DeltaRule(const DeltaRuleArgs& args, const DeltaRuleOutput& output, const Ops& ops,
               const ParallelTasks& parallel);

}  // namespace cohort::kernels
