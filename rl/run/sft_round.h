#pragma once

#include "rl/data/demonstration.h"
#include "rl/run/round_context.h"

namespace cohort::rl {

// The demonstrations of the next `count` rows of the training data, which all have a completion;
// advances the data cursor. A chat gives several where its template must see each turn alone.
std::vector<Demonstration> NextDemonstrations(RoundContext& context, int count);

// One optimizer step on the cross-entropy of these completions. Advances context.progress.
StepOutcome SftStep(RoundContext& context, const proto::Round& round,
                    const std::vector<Demonstration>& demonstrations);

}  // namespace cohort::rl
