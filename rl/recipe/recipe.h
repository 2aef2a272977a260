#pragma once

// A recipe file and its command-line overrides, as one checked proto::Recipe.

#include <string>
#include <vector>

#include "kernels/cpu/ops.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Reads the YAML file at `path` and applies `overrides` in order: "optimizer.beta1=0.8",
// "rounds[1].steps=5", "rewards[0].options.pattern=x". An override's value is read as YAML, so
// "rollout.addresses=[a:1, b:2]" sets a list; an index one past the end adds an entry.
//
// The result is complete: every field that has a default is set, every sub-message exists
// (save model.scratch), and only objective's knobs may be unset, where the preset decides.
//
// Errors: one kUsage Error whose message holds every fault found, one a line, each starting with
// "FILE:LINE: " or "argument 'KEY=VALUE': ".
proto::Recipe LoadRecipe(const std::string& path, const std::vector<std::string>& overrides = {});

// The same for a recipe that a program fills in: complete and checked. Errors: as LoadRecipe,
// without the places.
proto::Recipe CompleteRecipe(proto::Recipe recipe);

// Complete, but not checked: for a command that takes parts of a recipe and trains nothing.
proto::Recipe WithDefaults(proto::Recipe recipe);

// Every field with its value; LoadRecipe of this text gives an equal recipe.
std::string ResolvedYaml(const proto::Recipe& recipe);

// The class of the products that optimizer.precision asks for; bfloat16's is this machine's fastest.
kernels::Numerics LearnerNumerics(const proto::Optimizer& optimizer);

// A value of a recipe as one line: {"rounds[0].steps", "100"}. In the order of recipe.proto.
struct RecipeValue {
  std::string key;
  std::string value;
};
std::vector<RecipeValue> FlattenRecipe(const proto::Recipe& recipe);

}  // namespace cohort::rl
