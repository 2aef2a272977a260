#pragma once

#include <cstdint>

#include "policy/model.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// fp32: weights, gradients, two moments, two published images, a local worker's copy.
constexpr int kTrainingBytesPerParameter = 7 * 4;

// fp32: frozen weights, the copy with adapters added, two published images, a local worker's copy.
constexpr int kAdapterTrainingBytesPerParameter = 5 * 4;

// The policy that a recipe starts from: a model loaded in fp32, or a fresh byte-level mixture of
// experts. Errors: kUsage for a shape that cannot be built, or multi-token-prediction layers that
// the model does not come with; kEnvironment for one that this machine has no memory to train with
// `bytes_per_parameter`.
policy::Model InitialPolicy(const proto::Recipe& recipe,
                            int bytes_per_parameter = kTrainingBytesPerParameter);

}  // namespace cohort::rl
