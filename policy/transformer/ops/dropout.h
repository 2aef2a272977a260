#pragma once

// Dropout (arXiv 1207.0580) whose draws depend on neither the micro-batches nor the threads.
// Shapes: T rows, I width.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cohort::policy {

// What the layers of one forward leave out.
struct DropoutDraws {
  double share = 0;   // from 0 to below 1
  uint64_t seed = 0;  // of the optimizer step
  at::Tensor keys_T;  // int64 on the CPU: PrefixKeys (policy/transformer/packed_tokens.h)
};

// x with the drawn share of its numbers 0 and the others divided by 1 - share; differentiable.
// `layer` keeps the layers of a forward apart; row t of x has the draws of keys[t].
at::Tensor DropOut(const at::Tensor& x_TI, const DropoutDraws& draws, const at::Tensor& keys_T,
                   uint32_t layer);

}  // namespace cohort::policy
