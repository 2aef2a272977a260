#pragma once

// The rotary positions of all layers of a model.

#include <optional>

#include "policy/config/config.h"
#include "rollout/cpu/rotary_positions.h"

namespace cohort::rollout {

class ModelRopes {
 public:
  explicit ModelRopes(const policy::ModelConfig& config);

  // The rope of a layer with or without a window, for the rows of a sequence within or beyond the
  // boundary.
  const RotaryPositions& Of(bool windowed, bool beyond_boundary) const {
    if (beyond_boundary && long_) return *long_;
    return windowed && windowed_ ? *windowed_ : full_;
  }
  int64_t boundary() const { return boundary_; }  // RunnerShape::rope_boundary
  void Reserve(int64_t positions);                // not while others read

 private:
  ModelRopes(const policy::RopeFrequencies& frequencies, const policy::ModelConfig& config);

  RotaryPositions full_;
  std::optional<RotaryPositions> windowed_;  // where it is another
  std::optional<RotaryPositions> long_;      // with a boundary
  int64_t boundary_;
};

}  // namespace cohort::rollout
