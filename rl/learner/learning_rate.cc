#include "rl/learner/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cohort::rl {

double LearningRate(const LearningRateSchedule& schedule, int64_t step) {
  if (step < schedule.warmup_steps) {
    return schedule.peak * static_cast<double>(step + 1) /
           static_cast<double>(schedule.warmup_steps);
  }
  if (schedule.kind == LearningRateSchedule::Kind::kConstant) return schedule.peak;
  const double fall =
      static_cast<double>(std::max<int64_t>(schedule.total_steps - schedule.warmup_steps, 1));
  const double progress = std::min(1.0, static_cast<double>(step - schedule.warmup_steps) / fall);
  const double remaining = schedule.kind == LearningRateSchedule::Kind::kLinear
                               ? 1 - progress
                               : (1 + std::cos(std::numbers::pi * progress)) / 2;
  return schedule.floor + (schedule.peak - schedule.floor) * remaining;
}

}  // namespace cohort::rl
