#pragma once

#include <ATen/core/Tensor.h>

#include "rl/objectives/objective.h"
#include "rl/objectives/packed_samples.h"

namespace cohort::rl {

// Counts over a whole optimizer step, all micro-batches (and ranks) together: what makes the sum of
// the micro-batches' losses equal to the loss of one big batch.
struct StepTotals {
  int64_t num_tokens = 0;   // completion tokens where loss_mask is true
  int64_t num_samples = 0;  // scored samples; failed ones are left out
};

// Weight of each token, [T], such that the step's loss is the sum over all micro-batches of
// sum(weight_T * loss_T).
at::Tensor TokenWeights(const Objective& objective, const PackedSamples& samples,
                        const StepTotals& totals, const at::Tensor& like);

}  // namespace cohort::rl
