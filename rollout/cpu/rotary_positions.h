#pragma once

// cos and sin of position * frequency in fp32 steps as transformers takes them, times the attention
// factor, for positions up to the longest sequence seen.

#include <cstdint>
#include <vector>

#include "policy/config/rope_frequencies.h"

namespace cohort::rollout {

class RotaryPositions {
 public:
  explicit RotaryPositions(policy::RopeFrequencies frequencies);

  void Reserve(int64_t positions);  // not while others read
  const float* cos(int64_t position) const { return cos_.data() + position * half_; }
  const float* sin(int64_t position) const { return sin_.data() + position * half_; }
  int64_t half() const { return half_; }  // rotary_dim / 2 entries a row

 private:
  policy::RopeFrequencies frequencies_;
  int64_t half_;
  int64_t positions_ = 0;
  std::vector<float> cos_, sin_;
};

}  // namespace cohort::rollout
