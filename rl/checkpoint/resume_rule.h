#pragma once

#include <string>
#include <vector>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// A resumed run accepts the changes of its recipe that leave the finished steps as they were:
//   rounds            more rounds at the end; more steps in what was the last round
//   output.*          how often checkpoints are made and samples shown
//   eval.examples
//   rollout.*         how work is spread: workers, addresses, reward_services, reward_addresses,
//                     reward_deadline_s, step_deadline_s, kv_cache_mb, allow_weak_sandbox
// Returns "KEY: OLD -> NEW" for each other change.
std::vector<std::string> RefusedChanges(const proto::Recipe& old_recipe,
                                        const proto::Recipe& new_recipe);

// Throws kUsage with the refused changes and the ways out, if there are any.
void CheckResume(const proto::Recipe& old_recipe, const proto::Recipe& new_recipe,
                 const std::string& folder);

}  // namespace cohort::rl
