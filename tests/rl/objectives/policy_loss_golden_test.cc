// tests/golden/rl/objectives.jsonl (made as objectives.md beside it says): each preset and knob, on
// and off policy, with failed samples, masked tokens and equal rewards.

#include <gtest/gtest.h>

#include "tests/rl/objectives/objective_cases.h"

namespace cohort::rl {
namespace {

TEST(PolicyLossGolden, EveryPresetAndKnobAgreesWithTheFormulas) {
  EXPECT_EQ(CheckCases(COHORT_GOLDEN_DIR "/rl/objectives.jsonl"), 30);
}

TEST(PolicyLossGolden, ClippingIsExercisedByTheCases) {
  int clipped = 0;
  base::ForEachJsonLine(COHORT_GOLDEN_DIR "/rl/objectives.jsonl", [&](const Json& row, int) {
    const CaseResult result = EvaluateCase(ParseObjectiveCase(row["case"]));
    if (result.metrics.clip_fraction() > 0) ++clipped;
    if (std::string(row["name"]).ends_with("on policy")) {
      EXPECT_EQ(result.metrics.clip_fraction(), 0) << row["name"];
    }
  });
  EXPECT_GE(clipped, 12);
}

}  // namespace
}  // namespace cohort::rl
