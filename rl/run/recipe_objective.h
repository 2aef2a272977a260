#pragma once

#include "rl/objectives/objective.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// The objective of a recipe: its preset with the knobs that it sets. max_length defaults to
// rollout.max_new_tokens. Errors: those of CheckObjective.
Objective RecipeObjective(const proto::Recipe& recipe);

}  // namespace cohort::rl
