#pragma once

#include <ATen/core/Tensor.h>

#include "rl/objectives/policy_loss_inputs.h"

namespace cohort::rl {

// Cross-entropy of the demonstrations' completion tokens, [N], as a mean over the tokens of the
// whole optimizer step: the micro-batches' losses add up to the step's. Differentiable.
at::Tensor SftLoss(const at::Tensor& policy_logprobs_N, const StepTotals& totals);

}  // namespace cohort::rl
