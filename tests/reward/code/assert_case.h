#pragma once

// Submissions that asserts pass, and such that they must not.

#include <string>
#include <vector>

#include "tests/reward/code/judge_case.h"

namespace cohort::reward::judge {

struct AssertCase {
  std::string code;
  std::vector<std::string> tests;
  std::string setup;
};

inline void Score(const std::vector<AssertCase>& cases, double score) {
  for (const auto& [code, tests, setup] : cases) {
    const Grade grade = GradeCode(code, AssertTests(tests, setup));
    EXPECT_EQ(grade.status, STATUS_OK) << grade.detail << "\n" << code;
    EXPECT_EQ(grade.score, score) << grade.detail << "\n" << code << "\n" << tests.front();
  }
}

inline void Accepts(const std::vector<AssertCase>& cases) { Score(cases, 1); }
inline void Rejects(const std::vector<AssertCase>& cases) { Score(cases, 0); }

}  // namespace cohort::reward::judge
