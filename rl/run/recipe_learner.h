#pragma once

// The learner that a recipe asks for, as it is before the first step.

#include <memory>

#include "policy/model.h"
#include "rl/learner/learner.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// Threads (0: all cores) and memory of this process's LibTorch. Call before the first tensor.
void PrepareLibTorch(int threads);

// Takes the weights out of `model` (InitialPolicy); with the adapters that the recipe trains.
std::unique_ptr<Learner> MakeLearner(const proto::Recipe& recipe, policy::Model* model);

}  // namespace cohort::rl
