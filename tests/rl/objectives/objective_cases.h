#pragma once

// Cases with what is expected of them: {"name", "case", "advantages", "loss", "grad"}, one a line.

#include <gtest/gtest.h>

#include "base/json_lines.h"
#include "rl/objectives/objective_case.h"

namespace cohort::rl {

using base::Json;

inline void ExpectNear(const Json& actual, const Json& expected, const std::string& where) {
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

inline Json AdvantagesOf(const CaseResult& result) {
  Json groups = Json::array();
  for (const auto& group : result.advantages) {
    groups.push_back(Json::array());
    for (const auto& advantage : group) {
      groups.back().push_back(advantage ? Json(*advantage) : Json(nullptr));
    }
  }
  return groups;
}

// Checks each case of the file to 1e-9; how many there were.
inline int CheckCases(const std::string& path) {
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

}  // namespace cohort::rl
