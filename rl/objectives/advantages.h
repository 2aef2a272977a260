#pragma once

#include <optional>
#include <span>
#include <vector>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// One a sample; nothing: its reward failed or does not apply, so that nothing is learnt from it.
using GroupAdvantages = std::vector<std::optional<double>>;

// Advantages of one group from its rewards [G]. A failed sample has no reward: it gets no
// advantage, and does not count in the group's statistics. Where all rewards are equal (one sample
// too) the advantages are exactly 0. Rewards must be finite.
GroupAdvantages ComputeAdvantages(const proto::Objective& objective,
                                  std::span<const std::optional<double>> rewards);

}  // namespace cohort::rl
