#include "rollout/cpu/rotary_positions.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cohort::rollout {

RotaryPositions::RotaryPositions(policy::RopeFrequencies frequencies)
    : frequencies_(std::move(frequencies)),
      half_(static_cast<int64_t>(frequencies_.inverse.size())) {}

void RotaryPositions::Reserve(int64_t positions) {
  if (positions <= positions_) return;
  positions = std::max(positions, positions_ * 2);
  cos_.resize(static_cast<size_t>(positions * half_));
  sin_.resize(cos_.size());
  const auto factor = static_cast<float>(frequencies_.attention_factor);
  for (int64_t position = positions_; position < positions; ++position) {
    for (int64_t i = 0; i < half_; ++i) {
      const float angle =
          static_cast<float>(position) * frequencies_.inverse[static_cast<size_t>(i)];
      const auto at = static_cast<size_t>(position * half_ + i);
      cos_[at] = std::cos(angle) * factor;
      sin_[at] = std::sin(angle) * factor;
    }
  }
  positions_ = positions;
}

}  // namespace cohort::rollout
