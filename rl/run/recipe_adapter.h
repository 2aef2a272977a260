#pragma once

// The low-rank adapters that a recipe trains.

#include <optional>

#include "policy/config/config.h"
#include "policy/lora/peft.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Those of lora.adapter, of one rank (policy/lora/peft.h); or fresh ones, whose weights are still
// to be drawn: `weights` is empty. Nothing where the recipe trains all weights. Needs no weight of
// the model. Errors: kUsage for targets or a folder that do not fit the model, with the nearest
// name, and where the recipe and the folder disagree.
std::optional<policy::LoraAdapter> RecipeAdapter(const proto::Recipe& recipe,
                                                 const policy::ModelConfig& model);

}  // namespace cohort::rl
