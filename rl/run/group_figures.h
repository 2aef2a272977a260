#pragma once

#include <vector>

#include "rl/records/step_metrics.h"
#include "rl/rollouts/episode.h"

namespace cohort::rl {

// Rewards, lengths, failures and variance of a step's judged groups; all other figures are absent.
StepMetrics GroupFigures(const std::vector<EpisodeGroup>& groups,
                         const std::string& deciding_reward);

}  // namespace cohort::rl
