#pragma once

#include <ATen/core/Tensor.h>

#include "rl/objectives/packed_samples.h"
#include "rl/objectives/policy_loss_inputs.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Weight of each token, [T], such that the step's loss is the sum over all micro-batches of
// sum(weight_T * loss_T).
at::Tensor TokenWeights(const proto::Objective& objective, const PackedSamples& samples,
                        const StepTotals& totals, const at::Tensor& like);

}  // namespace cohort::rl
