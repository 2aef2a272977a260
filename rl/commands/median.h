#pragma once

#include <algorithm>
#include <vector>

namespace cohort::rl {

// Of an even number of values the mean of the two in the middle; 0 of none.
inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n == 0 ? 0 : (values[(n - 1) / 2] + values[n / 2]) / 2;
}

}  // namespace cohort::rl
