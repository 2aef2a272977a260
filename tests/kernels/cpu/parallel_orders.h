#pragma once

// Two ways to run the tasks of an op, whose bits must be the same, and numbers for its inputs.

#include <cstdint>
#include <functional>
#include <random>
#include <thread>
#include <vector>

namespace cohort::kernels {

inline void OneByOne(int64_t n, const std::function<void(int64_t)>& task) {
  for (int64_t i = 0; i < n; ++i) task(i);
}

inline void OnTwoThreadsBackwards(int64_t n, const std::function<void(int64_t)>& task) {
  std::thread other([&] {
    for (int64_t i = n / 2 - 1; i >= 0; --i) task(i);
  });
  for (int64_t i = n - 1; i >= n / 2; --i) task(i);
  other.join();
}

// Normal of mean 0, the same ones for the same seed.
inline std::vector<float> RandomNormal(int64_t count, uint32_t seed, float scale = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

}  // namespace cohort::kernels
