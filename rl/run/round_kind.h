#pragma once

#include <string>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

enum class RoundKind { kSft, kGrpo, kRejectionSft };

// What the recipe's word for a kind means. kInternal for a word that the recipe's rules let through
// by mistake.
RoundKind KindOf(const proto::Round& spec);

// The word, which is also the phase of a step's metrics.
const std::string& KindName(const proto::Round& spec);

}  // namespace cohort::rl
