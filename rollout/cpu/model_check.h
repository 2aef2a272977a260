#pragma once

#include "policy/config/config.h"

namespace cohort::rollout {

// kUsage, in a sentence, for a model that the decoder cannot run: something that it does not have,
// or sizes that do not fit each other.
void CheckModel(const policy::ModelConfig& config);

}  // namespace cohort::rollout
