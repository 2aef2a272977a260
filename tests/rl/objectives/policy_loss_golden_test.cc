// tests/golden/rl/objectives.jsonl (made as objectives.md beside it says): each preset and knob, on
// and off policy, with failed samples, masked tokens and equal rewards.

#include <gtest/gtest.h>

#include <fstream>

#include "base/json_lines.h"
#include "rl/objectives/objective_case.h"

namespace cohort::rl {
namespace {

using base::Json;

void ExpectNear(const Json& actual, const Json& expected, const std::string& where) {
  if (expected.is_array()) {
    ASSERT_EQ(actual.size(), expected.size()) << where;
    for (size_t i = 0; i < expected.size(); ++i) {
      ExpectNear(actual[i], expected[i], where + "[" + std::to_string(i) + "]");
    }
  } else if (expected.is_null()) {
    EXPECT_TRUE(actual.is_null()) << where;
  } else {
    EXPECT_NEAR(actual.get<double>(), expected.get<double>(), 1e-9) << where;
  }
}

Json AdvantagesOf(const CaseResult& result) {
  Json groups = Json::array();
  for (const auto& group : result.advantages) {
    groups.push_back(Json::array());
    for (const auto& advantage : group) {
      groups.back().push_back(advantage ? Json(*advantage) : Json(nullptr));
    }
  }
  return groups;
}

int CheckCases(const std::string& path) {
  int cases = 0;
  base::ForEachJsonLine(path, [&](const Json& row, int) {
    const std::string name = row["name"];
    const CaseResult result = EvaluateCase(ParseObjectiveCase(row["case"]));
    ExpectNear(AdvantagesOf(result), row["advantages"], name + " advantages");
    ExpectNear(result.loss, row["loss"], name + " loss");
    ExpectNear(result.grad, row["grad"], name + " grad");
    ++cases;
  });
  return cases;
}

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

TEST(SharedObjectiveCases, AgreeToNineDigits) {
  const std::string path = COHORT_SOURCE_DIR "/../shared/data/objective_cases.jsonl";
  if (!std::ifstream(path)) GTEST_SKIP() << path << " is not here";
  EXPECT_GE(CheckCases(path), 1);
}

}  // namespace
}  // namespace cohort::rl
