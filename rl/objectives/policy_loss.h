#pragma once

// The loss of one micro-batch. Shapes: T packed completion tokens, B samples of the micro-batch.

#include <ATen/core/Tensor.h>

#include "rl/objectives/aggregation.h"
#include "rl/objectives/objective.h"
#include "rl/objectives/policy_loss_metrics.h"

namespace cohort::rl {

// All floating-point tensors share one dtype and device. Only tokens where loss_mask is true, only
// samples that were scored.
struct PolicyLossInputs {
  at::Tensor policy_logprobs_T;   // carries grad
  at::Tensor old_logprobs_T;      // undefined: the policy's own, detached
  at::Tensor rollout_logprobs_T;  // undefined: not known; is_correction then cannot be computed
  at::Tensor ref_logprobs_T;      // undefined: no reference; a KL term then cannot be computed
  at::Tensor advantages_B;
  at::Tensor sequence_index_T;  // int64, in [0, B); a sample is never split over micro-batches
  StepTotals totals;            // of the whole optimizer step
};

struct PolicyLoss {
  at::Tensor loss;  // scalar; the micro-batches' losses add up to the step's
  PolicyLossMetrics metrics;
};

// Pure; safe from any thread. Errors: kUsage when the objective needs logprobs that are not there
// or CheckObjective fails; kInternal for shapes that do not match.
PolicyLoss ComputePolicyLoss(const Objective& objective, const PolicyLossInputs& inputs);

}  // namespace cohort::rl
