#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace cohort::rl {

// Mean and standard deviation (divisor: the count) of values that come one by one.
struct Moments {
  double sum = 0, squares = 0;
  int64_t count = 0;

  void Add(double value) {
    sum += value;
    squares += value * value;
    ++count;
  }
  // Both are 0 where there is no value.
  double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
  double deviation() const {
    return count == 0
               ? 0
               : std::sqrt(std::max(0.0, squares / static_cast<double>(count) - mean() * mean()));
  }
};

}  // namespace cohort::rl
