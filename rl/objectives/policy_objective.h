#pragma once

// An objective as the learner sees it: a loss to call, whatever the recipe's knobs say.

#include <functional>

#include "rl/objectives/policy_loss_inputs.h"

namespace cohort::rl {

// A plain value; `loss` is pure and safe from any thread. MakePolicyObjective (policy_loss.h) makes
// one of a recipe's objective.
struct PolicyObjective {
  // Errors: kUsage when the objective needs logprobs that are not there; kInternal for shapes that
  // do not match.
  std::function<PolicyLoss(const PolicyLossInputs&)> loss;
  bool needs_ref_logprobs = false;  // a KL term: PolicyLossInputs::ref_logprobs_T must be defined
};

}  // namespace cohort::rl
