// tests/golden/rl/optimizer.json (made as objectives.md beside it says) holds transformers'
// schedules.

#include "rl/learner/learning_rate.h"

#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/json_lines.h"

namespace cohort::rl {
namespace {

using base::Json;

Json Golden() { return Json::parse(base::ReadFile(COHORT_GOLDEN_DIR "/rl/optimizer.json")); }

TEST(LearningRate, AgreesWithTransformersAfterTheWarmUp) {
  const Json golden = Golden()["schedules"];
  LearningRateSchedule schedule{LearningRateSchedule::Kind::kCosine, 2e-3, 0, 4, 20};
  for (int64_t step = 4; step <= 20; ++step) {
    EXPECT_NEAR(LearningRate(schedule, step), golden["cosine"][step].get<double>(), 1e-15);
    LearningRateSchedule to_floor = schedule;
    to_floor.floor = 5e-4;
    EXPECT_NEAR(LearningRate(to_floor, step), golden["cosine_to_floor"][step].get<double>(), 1e-15);
    LearningRateSchedule linear = schedule;
    linear.kind = LearningRateSchedule::Kind::kLinear;
    EXPECT_NEAR(LearningRate(linear, step), golden["linear"][step].get<double>(), 1e-15);
  }
}

TEST(LearningRate, RisesFromTheFirstStepAndEndsAtTheFloor) {
  LearningRateSchedule schedule{LearningRateSchedule::Kind::kConstant, 1.0, 0.25, 4, 20};
  EXPECT_EQ(LearningRate(schedule, 0), 0.25);
  EXPECT_EQ(LearningRate(schedule, 3), 1.0);
  EXPECT_EQ(LearningRate(schedule, 1000), 1.0);
  for (const auto kind :
       {LearningRateSchedule::Kind::kLinear, LearningRateSchedule::Kind::kCosine}) {
    schedule.kind = kind;
    EXPECT_EQ(LearningRate(schedule, 4), 1.0);
    EXPECT_EQ(LearningRate(schedule, 20), 0.25);
    EXPECT_EQ(LearningRate(schedule, 1000), 0.25);
  }
  schedule.warmup_steps = schedule.total_steps = 0;
  EXPECT_EQ(LearningRate(schedule, 0), 1.0);
}

}  // namespace
}  // namespace cohort::rl
