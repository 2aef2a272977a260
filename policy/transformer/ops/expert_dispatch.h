#pragma once

// Tokens to the rows of their experts and back. Shapes: T tokens, K experts per token, S = T * K
// slots, D width.

#include <ATen/core/Tensor.h>

#include <vector>

namespace cohort::policy {

// The order of the slots once they are sorted by expert (slot t * K + k is choice k of token t);
// the tensors are int64, on the device of the choices.
struct Dispatch {
  at::Tensor slot_S;             // the slot in each sorted row
  at::Tensor token_S;            // the token in each sorted row
  at::Tensor row_S;              // the sorted row of each slot
  std::vector<int64_t> offsets;  // [E + 1]: expert e has rows offsets[e] .. offsets[e+1]-1
};

// Stable: rows of one expert are in slot order. experts_TK: integers in [0, num_experts).
Dispatch SortByExpert(const at::Tensor& experts_TK, int64_t num_experts);

// Rows of `per_token` slots per token, summed in slot order: [S, D] sorted by expert -> [T, D].
// It keeps no gradient.
at::Tensor SumSlots(const at::Tensor& sorted_SD, const at::Tensor& row_S, int64_t per_token);

// The same of rows times their slots' weights [T, K], added to a sum that starts from 0: on the CPU
// by the decoder's fused multiply-adds.
at::Tensor SumWeightedSlots(const at::Tensor& sorted_SD, const at::Tensor& weights_TK,
                            const Dispatch& dispatch);

// The token of every sorted row, differentiable: [T, D] -> [S, D].
at::Tensor ToExperts(const at::Tensor& x_TD, const Dispatch& dispatch);
// SumSlots, differentiable: [S, D] -> [T, D].
at::Tensor FromExperts(const at::Tensor& sorted_SD, const Dispatch& dispatch, int64_t per_token);

}  // namespace cohort::policy
