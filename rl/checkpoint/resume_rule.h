#pragma once

#include <string>
#include <vector>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Which changes of a recipe a resumed run accepts: those that leave the finished steps as they
// were.
//   rounds            more rounds at the end; more steps in what was the last round
//   output.*          checkpoints and what is shown
//   eval.examples
//   rollout.*         how work is spread: workers, addresses, reward_services, reward_addresses,
//                     reward_deadline_s, step_deadline_s, kv_cache_mb
// "KEY: OLD -> NEW" for each other change.
std::vector<std::string> RefusedChanges(const proto::Recipe& old_recipe,
                                        const proto::Recipe& new_recipe);

// kUsage that lists the refused changes and the ways out.
void CheckResume(const proto::Recipe& old_recipe, const proto::Recipe& new_recipe,
                 const std::string& folder);

}  // namespace cohort::rl
