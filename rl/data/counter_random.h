#pragma once

#include <cstdint>

namespace cohort::rl {

// Random draws as a pure function of (seed, stream, counter): SplitMix64 (Steele et al., OOPSLA
// 2014) started at a mix of the three. Integers only, so every machine and library draws the same.
class CounterRandom {
 public:
  CounterRandom(uint64_t seed, uint64_t stream, uint64_t counter)
      : state_(Mix(Mix(Mix(seed) + stream) + counter)) {}

  uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    return Mix(state_);
  }

  // Uniform over [low, high]: rejection sampling, no bias.
  int64_t Uniform(int64_t low, int64_t high) {
    const uint64_t count = static_cast<uint64_t>(high - low) + 1;
    const uint64_t limit = UINT64_MAX - UINT64_MAX % count;
    uint64_t draw = Next();
    while (draw >= limit) draw = Next();
    return low + static_cast<int64_t>(draw % count);
  }

 private:
  static uint64_t Mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9ULL;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
  }

  uint64_t state_;
};

}  // namespace cohort::rl
