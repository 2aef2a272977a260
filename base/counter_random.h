#pragma once

// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011. A counter-based generator: a draw is a pure function of its key and counter, so it needs no
// state, and every machine and library draws the same.

#include <array>
#include <cstdint>

namespace cohort::base {

std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Uniform in [0, 1), 53 bits: key = seed, counter = (position, sample_id). A sample is the same
// whatever shares its batch, and after a preemption. `position` stays below 2^32.
double UniformDraw(uint64_t seed, uint64_t sample_id, uint64_t position);

// Draws in a row: key = seed, counter = (number of the draw, stream, index). Streams keep users of
// one seed apart; from 1 on they are apart from UniformDraw's positions too.
class CounterRandom {
 public:
  CounterRandom(uint64_t seed, uint32_t stream, uint64_t index);

  uint64_t Next();
  // Uniform over [low, high]: rejection sampling, no bias.
  int64_t Uniform(int64_t low, int64_t high);

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
};

}  // namespace cohort::base
