#pragma once

#include "rl/recipe/reader.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Faults that need more than one field to see; reported through `reader`, which knows the lines.
void CheckRecipe(const proto::Recipe& recipe, RecipeReader* reader);

}  // namespace cohort::rl
