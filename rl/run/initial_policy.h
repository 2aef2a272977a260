#pragma once

// The policy and the options that a recipe starts its learner with.

#include <cstdint>

#include "policy/model.h"
#include "rl/learner/learner_options.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// The policy that a recipe starts from: a model loaded in fp32, or a fresh byte-level mixture of
// experts. Its eos_ids are the model's own and the recipe's rollout.stop_tokens; without any it
// warns. Errors: kUsage for a shape that cannot be built, or multi-token-prediction layers that the
// model does not come with, or adapters that do not fit it, or a budget of activations that no
// sequence fits in (rl/run/run_memory.h), before a weight is read; kEnvironment for one that this
// machine has no memory to train. Warns where the longest rows would need more than there is.
policy::Model InitialPolicy(const proto::Recipe& recipe);

// The same without its weights: what a dry run opens.
policy::Model InitialPolicyWithoutWeights(const proto::Recipe& recipe);

// How a round routes tokens: selection_bias_rate is the round's, else 0 in grpo and the optimizer's
// in the others.
RoutingOptions RecipeRouting(const proto::Recipe& recipe, const proto::RoundSpec& spec);

// On the CPU in fp32, the rest as the recipe says.
LearnerOptions RecipeLearnerOptions(const proto::Recipe& recipe);

}  // namespace cohort::rl
