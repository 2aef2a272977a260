#pragma once

#include <cstdint>

namespace cohort::rl {

struct LearningRateSchedule {
  enum class Kind { kConstant, kLinear, kCosine };

  Kind kind = Kind::kConstant;
  double peak = 1e-6;
  double floor = 0;          // where linear and cosine end; constant has none
  int64_t warmup_steps = 0;  // rise to the peak, linear
  int64_t total_steps = 1;   // warm-up included
};

// Learning rate of optimizer step `step`, counted from 0. Step s of the warm-up has
// peak * (s + 1) / warmup_steps (no step is wasted on a rate of 0); then peak, or a fall that
// reaches the floor at step total_steps.
double LearningRate(const LearningRateSchedule& schedule, int64_t step);

}  // namespace cohort::rl
