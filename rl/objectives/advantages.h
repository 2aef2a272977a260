#pragma once

#include <optional>
#include <span>
#include <vector>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Advantages of one group from its rewards [G]. A failed sample has no reward: it gets no
// advantage, and does not count in the group's statistics. Where all rewards are equal (one sample
// too) the advantages are exactly 0. Rewards must be finite.
std::vector<std::optional<double>> ComputeAdvantages(
    const proto::Objective& objective, std::span<const std::optional<double>> rewards);

}  // namespace cohort::rl
