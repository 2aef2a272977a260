#pragma once

#include <ATen/core/Tensor.h>

#include "rl/objectives/packed_samples.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Importance ratio of the policy to the policy that the step started from, [T]. Differentiable in
// policy_logprobs_T. kSequence gives a sample's tokens one common ratio.
at::Tensor PolicyRatio(proto::Objective::Ratio kind, const at::Tensor& policy_logprobs_T,
                       const at::Tensor& old_logprobs_T, const PackedSamples& samples);

// exp(log_ratio), with log_ratio capped where exp would overflow: an infinite ratio in the clipped
// branch would turn its zero gradient into NaN.
at::Tensor ExpRatio(const at::Tensor& log_ratio);

}  // namespace cohort::rl
