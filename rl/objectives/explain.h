#pragma once

#include <string>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// The formula of a resolved objective, several lines of text.
std::string Explain(const proto::Objective& objective);

}  // namespace cohort::rl
