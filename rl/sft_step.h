#pragma once

#include "rl/round_context.h"

namespace cohort::rl {

// A prompt and the completion to learn, as tokens.
struct Demonstration {
  std::vector<int32_t> prompt_ids;
  std::vector<int32_t> completion_ids;
};

// The next `count` demonstrations of the training data, whose rows all have a completion; advances
// the data cursor.
std::vector<Demonstration> NextDemonstrations(RoundContext& context, int count);

// One optimizer step on the cross-entropy of these completions. Advances context.progress.
StepOutcome SftStep(RoundContext& context, const proto::Round& round,
                    const std::vector<Demonstration>& demonstrations);

}  // namespace cohort::rl
