#pragma once

#include <cstdint>
#include <vector>

namespace cohort::rl {

// An endless sequence of shuffled epochs over [0, size): each epoch visits every entry
// once, in an order drawn from (seed, epoch). Portable and independent of the standard library.
class EpochOrder {
 public:
  EpochOrder(uint64_t size, uint64_t seed);  // size >= 1

  uint64_t At(uint64_t position);

 private:
  uint64_t size_;
  uint64_t seed_;
  uint64_t cached_epoch_;
  std::vector<uint64_t> order_;  // of cached_epoch_
};

}  // namespace cohort::rl
