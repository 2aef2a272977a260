#include "rl/objectives/packed_samples.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/zeros.h>

namespace cohort::rl {

at::Tensor PackedSamples::Lengths(const at::Tensor& like) const {
  return at::bincount(sequence_index_T, /*weights=*/{}, num_samples)
      .clamp_min(1)
      .to(like.scalar_type());
}

at::Tensor PackedSamples::MeanOverTokens(const at::Tensor& values_T) const {
  const at::Tensor sums_B =
      at::zeros({num_samples}, values_T.options()).index_add(0, sequence_index_T, values_T);
  return sums_B / Lengths(values_T);
}

at::Tensor PackedSamples::SpreadToTokens(const at::Tensor& values_B) const {
  return values_B.index_select(0, sequence_index_T);
}

}  // namespace cohort::rl
