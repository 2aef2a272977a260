#include "rl/checkpoint/resume_rule.h"

#include <map>
#include <set>

#include "base/error.h"
#include "rl/recipe/recipe.h"

namespace cohort::rl {
namespace {

constexpr char kUnset[] = "(unset)";

bool MayChange(const std::string& key) {
  static const std::set<std::string> kFree = {"eval.examples",
                                              "rollout.workers",
                                              "rollout.addresses",
                                              "rollout.kv_cache_mb",
                                              "rollout.allow_weak_sandbox",
                                              "rollout.reward_services",
                                              "rollout.reward_addresses",
                                              "rollout.reward_deadline_s",
                                              "rollout.step_deadline_s"};
  return key.starts_with("output.") || kFree.contains(key);
}

// `recipe` without the rounds and steps that it adds to the end of the old one.
proto::Recipe WithoutExtension(const proto::Recipe& old_recipe, proto::Recipe recipe) {
  const int rounds = old_recipe.rounds_size();
  while (recipe.rounds_size() > rounds) recipe.mutable_rounds()->RemoveLast();
  if (rounds > 0 && recipe.rounds_size() == rounds) {
    const int32_t old_steps = old_recipe.rounds(rounds - 1).steps();
    proto::RoundSpec* last = recipe.mutable_rounds(rounds - 1);
    if (last->steps() > old_steps) last->set_steps(old_steps);
  }
  return recipe;
}

}  // namespace

std::vector<std::string> RefusedChanges(const proto::Recipe& old_recipe,
                                        const proto::Recipe& new_recipe) {
  std::map<std::string, std::string> before, after;
  for (const RecipeValue& value : FlattenRecipe(old_recipe)) before[value.key] = value.value;
  std::vector<std::string> refused;
  const auto compare = [&](const std::string& key, const std::string& old_value,
                           const std::string& new_value) {
    if (old_value != new_value && !MayChange(key)) {
      refused.push_back(key + ": " + old_value + " -> " + new_value);
    }
  };
  for (const RecipeValue& value : FlattenRecipe(WithoutExtension(old_recipe, new_recipe))) {
    after[value.key] = value.value;
    const auto old_value = before.find(value.key);
    compare(value.key, old_value == before.end() ? kUnset : old_value->second, value.value);
  }
  for (const auto& [key, value] : before) {
    if (!after.contains(key)) compare(key, value, kUnset);
  }
  return refused;
}

void CheckResume(const proto::Recipe& old_recipe, const proto::Recipe& new_recipe,
                 const std::string& folder) {
  const std::vector<std::string> refused = RefusedChanges(old_recipe, new_recipe);
  if (refused.empty()) return;
  std::string list;
  for (const std::string& change : refused) list += "\n  " + change;
  throw Error(ErrorCode::kUsage, folder + " holds a run of another recipe:" + list,
              "--fresh starts anew (the old run is kept beside it), --out DIR uses another folder; "
              "a resumed run may add rounds, or steps to the last round");
}

}  // namespace cohort::rl
