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
                                              "rollout.token_file",
                                              "rollout.reward_deadline_s",
                                              "rollout.step_deadline_s"};
  return key.starts_with("output.") || kFree.contains(key);
}

// Whether --resume-with-changes takes it.
bool MayChangeOnRequest(const std::string& key) {
  static const std::set<std::string> kOfRound = {"learning_rate",       "schedule",
                                                 "warmup_steps",        "final_learning_rate",
                                                 "selection_bias_rate", "freeze_router"};
  if (key.starts_with("rewards[")) return key.ends_with("].weight");
  const size_t dot = key.find("].");
  if (key.starts_with("rounds[") && dot != std::string::npos) {
    return kOfRound.contains(key.substr(dot + 2));
  }
  return key == "optimizer.max_grad_norm" || key == "optimizer.moments" ||
         key == "optimizer.masters" || key == "optimizer.selection_bias_rate" ||
         key == "rollout.max_failed_steps";
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

RecipeChanges ChangesOf(const proto::Recipe& old_recipe, const proto::Recipe& new_recipe) {
  std::map<std::string, std::string> before, after;
  for (const RecipeValue& value : FlattenRecipe(old_recipe)) before[value.key] = value.value;
  RecipeChanges changes;
  const auto compare = [&](const std::string& key, const std::string& old_value,
                           const std::string& new_value) {
    if (old_value == new_value || MayChange(key)) return;
    (MayChangeOnRequest(key) ? changes.on_request : changes.refused)
        .push_back(key + ": " + old_value + " -> " + new_value);
  };
  for (const RecipeValue& value : FlattenRecipe(WithoutExtension(old_recipe, new_recipe))) {
    after[value.key] = value.value;
    const auto old_value = before.find(value.key);
    compare(value.key, old_value == before.end() ? kUnset : old_value->second, value.value);
  }
  for (const auto& [key, value] : before) {
    if (!after.contains(key)) compare(key, value, kUnset);
  }
  return changes;
}

std::vector<std::string> CheckResume(const proto::Recipe& old_recipe,
                                     const proto::Recipe& new_recipe, const std::string& folder,
                                     bool with_changes) {
  RecipeChanges changes = ChangesOf(old_recipe, new_recipe);
  if (changes.refused.empty() && (with_changes || changes.on_request.empty())) {
    return changes.on_request;
  }
  std::string list;
  for (const auto& some : {changes.refused, changes.on_request}) {
    for (const std::string& change : some) list += "\n  " + change;
  }
  const bool on_request = changes.refused.empty();
  throw Error(
      ErrorCode::kUsage, folder + " holds a run of another recipe:" + list,
      std::string(on_request ? "--resume-with-changes goes on with them, " : "") +
          "--fresh starts anew (the old run is kept beside it), --out DIR uses another folder; "
          "a resumed run may add rounds, or steps to the last round");
}

}  // namespace cohort::rl
