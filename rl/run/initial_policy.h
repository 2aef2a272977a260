#pragma once

// The policy and the options that a recipe starts its learner with.

#include <cstdint>

#include "policy/model.h"
#include "rl/learner/learner_options.h"
#include "rl/plan/local_run.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// The policy that a recipe starts from: a model loaded in fp32, or a fresh byte-level mixture of
// experts. Its eos_ids are the model's own and the recipe's rollout.stop_tokens; without any it
// warns. Errors: kUsage for a shape that cannot be built, or multi-token-prediction layers that the
// model does not come with, or adapters that do not fit it, before a weight is read; kEnvironment
// for one that this machine has no memory to train. Warns where the longest rows would need more
// than there is.
policy::Model InitialPolicy(const proto::Recipe& recipe);

// Sizes that memory and time of the recipe's run depend on, at most: full prompts and completions.
// kUsage for adapters that do not fit the model (rl/run/recipe_adapter.h).
LocalRun LocalRunOf(const proto::Recipe& recipe, const policy::ModelConfig& config);

// The same without its weights: what a dry run opens.
policy::Model InitialPolicyWithoutWeights(const proto::Recipe& recipe);

// How a round routes tokens: selection_bias_rate is the round's, else 0 in grpo and the optimizer's
// in the others.
RoutingOptions RecipeRouting(const proto::Recipe& recipe, const proto::RoundSpec& spec);

// On the CPU in fp32, the rest as the recipe says.
LearnerOptions RecipeLearnerOptions(const proto::Recipe& recipe);

}  // namespace cohort::rl
