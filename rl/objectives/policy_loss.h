#pragma once

// The loss of one micro-batch under an objective.

#include "rl/objectives/objective.h"
#include "rl/objectives/policy_objective.h"

namespace cohort::rl {

// Pure; safe from any thread. Errors: kUsage when the objective needs logprobs that are not there
// or CheckObjective fails; kInternal for shapes that do not match.
PolicyLoss ComputePolicyLoss(const Objective& objective, const PolicyLossInputs& inputs);

// The objective as the learner calls it. Errors: those of CheckObjective.
PolicyObjective MakePolicyObjective(const Objective& objective);

}  // namespace cohort::rl
