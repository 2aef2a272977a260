#pragma once

// The inputs and the result of the policy loss of one micro-batch. Free of the recipe,
// so that the learner needs no Protobuf. Shapes: T packed completion tokens, B samples of the
// micro-batch.

#include <ATen/core/Tensor.h>

#include "rl/objectives/policy_loss_metrics.h"

namespace cohort::rl {

// Counts over a whole optimizer step, all micro-batches (and ranks) together: what makes the sum of
// the micro-batches' losses equal to the loss of one big batch.
struct StepTotals {
  int64_t num_tokens = 0;   // completion tokens where loss_mask is true
  int64_t num_samples = 0;  // scored samples; failed ones are left out
};

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

}  // namespace cohort::rl
