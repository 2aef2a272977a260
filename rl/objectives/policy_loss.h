#pragma once

// The loss of one micro-batch under a resolved objective (objective.h).

#include "rl/objectives/policy_objective.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Pure; safe from any thread. Errors: kUsage when the objective needs logprobs that are not there
// or CheckObjective fails; kInternal for shapes that do not match.
PolicyLoss ComputePolicyLoss(const proto::Objective& resolved, const PolicyLossInputs& inputs);

// The objective as the learner calls it. Errors: those of CheckObjective.
PolicyObjective MakePolicyObjective(const proto::Objective& resolved);

}  // namespace cohort::rl
