#include "rl/objectives/clipped_surrogate.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/where.h>

namespace cohort::rl {

Surrogate ClippedSurrogate(const proto::Objective& objective, const at::Tensor& ratio_T,
                           const at::Tensor& advantages_T) {
  const at::Tensor minus_advantages_T = -advantages_T;
  const at::Tensor free_T = minus_advantages_T * ratio_T;
  const at::Tensor bounded_T =
      minus_advantages_T * ratio_T.clamp(1 - objective.clip_low(), 1 + objective.clip_high());
  Surrogate surrogate{at::maximum(free_T, bounded_T), (bounded_T > free_T).detach()};
  if (objective.has_dual_clip()) {
    const at::Tensor ceiling_T = minus_advantages_T * objective.dual_clip();
    const at::Tensor negative_T = advantages_T < 0;
    surrogate.clipped_T =
        surrogate.clipped_T | (negative_T & (surrogate.loss_T > ceiling_T)).detach();
    surrogate.loss_T =
        at::where(negative_T, at::minimum(surrogate.loss_T, ceiling_T), surrogate.loss_T);
  }
  return surrogate;
}

}  // namespace cohort::rl
