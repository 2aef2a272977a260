#pragma once

// Which sample each packed token belongs to. Shapes: T packed completion tokens, B samples.

#include <ATen/core/Tensor.h>

namespace cohort::rl {

// The samples of one micro-batch. A sample's tokens are all in the same micro-batch; only tokens
// where loss_mask is true are packed, so a sample may have none.
struct PackedSamples {
  at::Tensor sequence_index_T;  // int64, in [0, B)
  int64_t num_samples;          // B of this micro-batch

  // Tokens of each sample, [B], in the dtype of `like`; at least 1, so that it can divide.
  at::Tensor Lengths(const at::Tensor& like) const;
  at::Tensor MeanOverTokens(const at::Tensor& values_T) const;  // [B]
  at::Tensor SpreadToTokens(const at::Tensor& values_B) const;  // [T]
};

}  // namespace cohort::rl
