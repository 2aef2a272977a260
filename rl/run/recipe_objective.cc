#include "rl/run/recipe_objective.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cohort::rl {

Objective RecipeObjective(const proto::Recipe& recipe) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status =
      google::protobuf::util::MessageToJsonString(recipe.objective(), &text, options);
  COHORT_CHECK(status.ok(), "the recipe's objective does not print as JSON");
  Objective objective = ParseObjective(nlohmann::json::parse(text));
  if (objective.max_length == 0) objective.max_length = recipe.rollout().max_new_tokens();
  CheckObjective(objective);
  return objective;
}

}  // namespace cohort::rl
