#include "rollout/rope_table.h"

#include <algorithm>
#include <cmath>

namespace cohort::rollout {

RopeTable::RopeTable(int64_t head_dim, double base) : half_(head_dim / 2) {
  for (int64_t i = 0; i < half_; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    inverse_frequencies_.push_back(1.0f / std::pow(static_cast<float>(base), exponent));
  }
}

void RopeTable::Reserve(int64_t positions) {
  if (positions <= positions_) return;
  positions = std::max(positions, positions_ * 2);
  cos_.resize(static_cast<size_t>(positions * half_));
  sin_.resize(cos_.size());
  for (int64_t position = positions_; position < positions; ++position) {
    for (int64_t i = 0; i < half_; ++i) {
      const float angle =
          static_cast<float>(position) * inverse_frequencies_[static_cast<size_t>(i)];
      const auto at = static_cast<size_t>(position * half_ + i);
      cos_[at] = std::cos(angle);
      sin_[at] = std::sin(angle);
    }
  }
  positions_ = positions;
}

}  // namespace cohort::rollout
