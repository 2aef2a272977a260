#pragma once

#include <string>
#include <vector>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

struct RecipeFault {
  std::string path;  // of the key that it is about: "rounds[0].steps"
  std::string what;
};

// The faults of a recipe with its defaults filled in that need more than one field to see.
std::vector<RecipeFault> CheckRecipe(const proto::Recipe& recipe);

}  // namespace cohort::rl
