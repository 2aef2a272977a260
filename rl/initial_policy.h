#pragma once

#include <cstdint>

#include "policy/model.h"
#include "rl/recipe.pb.h"

namespace cohort::rl {

// fp32: weights, gradients, two moments, the published image, a local worker's copy.
constexpr int kTrainingBytesPerParameter = 6 * 4;

// The policy that a recipe starts from: a model loaded in fp32, or a fresh byte-level mixture of
// experts. Errors: kUsage for a shape that cannot be built;
// kEnvironment for one that this machine has no memory to train.
policy::Model InitialPolicy(const proto::Model& model, uint64_t seed);

}  // namespace cohort::rl
