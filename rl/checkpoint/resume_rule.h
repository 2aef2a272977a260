#pragma once

#include <string>
#include <vector>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// A resumed run accepts the changes of its recipe that leave the finished steps as they were:
//   rounds            more rounds at the end; more steps in what was the last round
//   output.*          how often checkpoints are made and samples shown, what the journal holds
//   eval.examples
//   rollout.*         how work is spread: workers, addresses, reward_services, reward_addresses,
//                     reward_deadline_s, step_deadline_s, kv_cache_mb, allow_weak_sandbox
// Each other change as "KEY: OLD -> NEW".
struct RecipeChanges {
  // How the steps to come learn: learning rates, their schedules, weights of rewards, routing,
  // clipping, the moments' dtype, masters. Taken where --resume-with-changes asks for it.
  std::vector<std::string> on_request;
  std::vector<std::string> refused;
};
RecipeChanges ChangesOf(const proto::Recipe& old_recipe, const proto::Recipe& new_recipe);

// Throws kUsage with the changes that are refused and the ways out, if there are any. Returns those
// that were taken on request.
std::vector<std::string> CheckResume(const proto::Recipe& old_recipe,
                                     const proto::Recipe& new_recipe, const std::string& folder,
                                     bool with_changes);

}  // namespace cohort::rl
