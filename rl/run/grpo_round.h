#pragma once

#include "rl/objectives/objective.h"
#include "rl/run/round_context.h"

namespace cohort::rl {

// One step of a GRPO round: sample groups, score them, turn group-relative advantages into
// round.updates_per_step() optimizer steps. Advances context.progress.
StepOutcome GrpoStep(RoundContext& context, const Objective& objective, const proto::Round& round);

}  // namespace cohort::rl
