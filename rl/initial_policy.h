#pragma once

#include <cstdint>

#include "policy/model.h"
#include "rl/recipe.pb.h"

namespace cohort::rl {

// The policy that a recipe starts from: a model loaded in fp32, or a fresh byte-level mixture of
// experts. Errors: kUsage for a shape that cannot be built.
policy::Model InitialPolicy(const proto::Model& model, uint64_t seed);

}  // namespace cohort::rl
