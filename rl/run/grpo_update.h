#pragma once

// Updates of the policy by judged groups. The same calls with the same groups, learning rates and
// learner give the same bits, in a round or in a replay of one of its steps.

#include <span>
#include <vector>

#include "rl/journal/journal_entry.h"
#include "rl/learner/learner.h"

namespace cohort::rl {

// One list a group.
std::vector<GroupAdvantages> AdvantagesOf(const proto::Objective& objective,
                                          const std::vector<EpisodeGroup>& groups);

// The samples that have an advantage, ready to train on.
std::vector<TrainingSequence> TrainingSequences(const std::vector<EpisodeGroup>& groups,
                                                const std::vector<GroupAdvantages>& advantages);

// One optimizer step a learning rate, over consecutive slices of the sequences.
std::vector<JournalUpdate> GrpoUpdates(Learner& learner, const PolicyObjective& objective,
                                       std::vector<TrainingSequence> sequences,
                                       std::span<const double> learning_rates);

}  // namespace cohort::rl
