#pragma once

#include <vector>

#include "policy/transformer/transformer.h"
#include "rl/learner/mtp_batch.h"
#include "rl/objectives/policy_loss_inputs.h"

namespace cohort::rl {

// Mean over the depths of their cross-entropies, each a mean over the tokens of the whole optimizer
// step as SftLoss is: arXiv 2412.19437 eq. 24 and 25 without lambda. `hidden_TD`: what the policy's
// forward gave for the pack. Differentiable; embedding, head and hidden states are the policy's
// own.
at::Tensor MtpLoss(policy::Transformer& policy, const at::Tensor& hidden_TD,
                   const std::vector<MtpBatch>& depths, const StepTotals& totals);

}  // namespace cohort::rl
