#pragma once

#include <ATen/core/Tensor.h>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Estimate of KL(policy || other) on each sampled token, [T], with d = policy - other: k1 d, k2
// d*d/2, k3 exp(-d) - 1 + d (Schulman 2020; k3 is eq. 4 of arXiv 2402.03300). Differentiable in
// both.
at::Tensor KlEstimate(proto::Objective::Kl kind, const at::Tensor& policy_logprobs_T,
                      const at::Tensor& other_logprobs_T);

}  // namespace cohort::rl
