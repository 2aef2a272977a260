#pragma once

#include <ATen/core/Tensor.h>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

struct Surrogate {
  at::Tensor loss_T;     // per token, minimised
  at::Tensor clipped_T;  // bool: the token's gradient was cut or its weight capped
};

// PPO's clipped surrogate (arXiv 1707.06347, eq. 7) with separate bounds (arXiv 2503.14476, eq. 10)
// and, when objective.dual_clip is set, the dual clip (arXiv 1912.09729).
Surrogate ClippedSurrogate(const proto::Objective& objective, const at::Tensor& ratio_T,
                           const at::Tensor& advantages_T);

}  // namespace cohort::rl
