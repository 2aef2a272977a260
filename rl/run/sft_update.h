#pragma once

// The update of the rounds that learn from demonstrations (sft and rejection_sft).

#include <vector>

#include "rl/data/demonstration.h"
#include "rl/run/round.h"
#include "rl/run/run_context.h"

namespace cohort::rl {

std::vector<TrainingSequence> DemonstrationSequences(
    const std::vector<Demonstration>& demonstrations);

// One optimizer step on the cross-entropy of the sequences' completions. Advances the progress.
StepRecord UpdateOnDemonstrations(RunContext& context, const proto::RoundSpec& spec, StepWork work);

}  // namespace cohort::rl
