#pragma once

#include <cstdint>

namespace cohort::kernels {

// Sixteen columns of one head's state S in the gated delta rule (arXiv 2412.06464 eq. 10), token by
// token: r = v - decay (S^T k), S = decay S + k (beta r)^T, out = S^T q. The sums over the rows of
// S are four chains of fused multiply-adds, row i in chain i % 4, added as (0 + 1) + (2 + 3).
struct DeltaScanArgs {
  const float* q;  // token t's [key_dim] at q + t * qk_row
  const float* k;
  int64_t qk_row;
  const float* v;  // [columns] at v + t * v_row
  int64_t v_row;
  const float* decay;  // decay[t * gate_row]
  const float* beta;
  int64_t gate_row;
  int64_t tokens, key_dim, columns;  // columns at most 16
  float* state;                      // [key_dim, 16]
  float* out;                        // [columns] at out + t * out_row
  int64_t out_row;
  float* residual;  // r, laid out as out; may be null
};

}  // namespace cohort::kernels
