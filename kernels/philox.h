#pragma once

// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011. A counter-based generator: the draw for (seed, sample, position) needs no state, so a
// sample is the same whatever shares its batch, and after a preemption.

#include <array>
#include <cstdint>

namespace cohort::kernels {

std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Uniform in [0, 1), 53 bits: key = seed, counter = (position, sample_id).
double UniformDraw(uint64_t seed, uint64_t sample_id, uint64_t position);

}  // namespace cohort::kernels
