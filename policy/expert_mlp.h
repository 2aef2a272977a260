#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace cohort::policy {

// The routed experts of one layer as one differentiable operation over rows sorted by expert.
// Shapes: T tokens, K experts per token, S = T * K slots, E experts, D width, m expert width.

// Where the slots lie once they are sorted by expert (slot t * K + k is choice k of token t).
struct Dispatch {
  at::Tensor slot_S;             // the slot in each sorted row
  at::Tensor token_S;            // the token in each sorted row
  at::Tensor row_S;              // the sorted row of each slot
  std::vector<int64_t> offsets;  // [E + 1]: expert e has rows offsets[e] .. offsets[e+1]-1
};

// Stable: rows of one expert are in slot order. experts_TK: int64 in [0, num_experts).
Dispatch SortByExpert(const at::Tensor& experts_TK, int64_t num_experts);

// out[t] = sum_k weights[t, k] * down_e(silu(gate_e x_t) * up_e x_t) with e = experts[t, k], added
// in order of k. Differentiable in x, weights, gate_up and down; each gradient is filled in place,
// expert by expert, without a full-size temporary per expert.
at::Tensor ExpertMlp(const at::Tensor& x_TD, const at::Tensor& weights_TK,
                     const at::Tensor& gate_up_E2mD, const at::Tensor& down_EDm,
                     const Dispatch& dispatch);

}  // namespace cohort::policy
