#include "rollout/cpu/rotary_positions.h"

#include <algorithm>
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
  for (int64_t position = positions_; position < positions; ++position) {
    policy::FillRopeAngles(frequencies_.inverse, frequencies_.attention_factor, position,
                           cos_.data() + position * half_, sin_.data() + position * half_);
  }
  positions_ = positions;
}

}  // namespace cohort::rollout
