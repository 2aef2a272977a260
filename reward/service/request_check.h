#pragma once

#include "reward/reward.pb.h"

namespace cohort::reward {

inline constexpr size_t kMaxRequestBytes = size_t{64} << 20;

// Counts, sizes and ids of a request. Errors: kUsage naming the field, what was found and the
// bound.
void CheckRequest(const ScoreRequest& request);

}  // namespace cohort::reward
