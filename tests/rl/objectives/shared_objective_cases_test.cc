#include <gtest/gtest.h>

#include <fstream>

#include "tests/rl/objectives/objective_cases.h"

namespace cohort::rl {
namespace {

TEST(SharedObjectiveCases, AgreeToNineDigits) {
  const std::string path = COHORT_SOURCE_DIR "/../shared/data/objective_cases.jsonl";
  if (!std::ifstream(path)) GTEST_SKIP() << path << " is not here";
  EXPECT_GE(CheckCases(path), 1);
}

}  // namespace
}  // namespace cohort::rl
