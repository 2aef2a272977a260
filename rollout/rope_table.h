#pragma once

// Rotary position embedding (arXiv 2104.09864): cos and sin of position * base^(-2 i / head_dim),
// computed in fp32 steps as transformers does, for positions up to the longest sequence seen.

#include <cstdint>
#include <vector>

namespace cohort::rollout {

class RopeTable {
 public:
  RopeTable(int64_t head_dim, double base);

  void Reserve(int64_t positions);  // not while others read
  const float* cos(int64_t position) const { return cos_.data() + position * half_; }
  const float* sin(int64_t position) const { return sin_.data() + position * half_; }
  int64_t half() const { return half_; }  // head_dim / 2 entries a row

 private:
  int64_t half_;
  int64_t positions_ = 0;
  std::vector<float> inverse_frequencies_, cos_, sin_;
};

}  // namespace cohort::rollout
