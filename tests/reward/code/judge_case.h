#pragma once

// Submissions as tests write them: code and the columns of its sample.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "reward/code/box/sandbox.h"
#include "tests/reward/grade.h"

namespace cohort::reward::judge {

using Json = nlohmann::json;

// Skips the test, visibly, where the kernel cannot confine programs. In a container that forbids
// namespaces nothing of this folder can be shown.
#define SKIP_WITHOUT_SANDBOX()                                                   \
  for (const auto& protection : judge::Sandbox::OfThisProcess().protections()) { \
    if (protection.needed && !protection.works) {                                \
      GTEST_SKIP() << protection.name << ": " << protection.detail;              \
    }                                                                            \
  }

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_SANDBOX(); }
};

inline bool HasControlGroups() {
  for (const auto& protection : Sandbox::OfThisProcess().protections()) {
    if (protection.name == "control groups") return protection.works;
  }
  return false;
}

inline std::string Fenced(const std::string& code) { return "````\n" + code + "\n````\n"; }

// Graders are kept: each has boxes that boot ahead and an examiner.
inline std::shared_ptr<const Grader> CodeGraderOf(const OptionMap& options) {
  static std::map<OptionMap, std::shared_ptr<const Grader>> graders;
  auto& grader = graders[options];
  if (grader == nullptr) grader = MakeGrader("code", options);
  return grader;
}

inline Grade GradeCode(const std::string& code, const Json& columns, const OptionMap& options = {},
                       int limit_ms = 60'000) {
  Sample sample = MakeSample(Fenced(code));
  sample.set_columns_json(columns.dump());
  return CodeGraderOf(options)->Score(sample, Budget(std::chrono::milliseconds(limit_ms)));
}

inline Json StdinTests(const std::vector<std::pair<std::string, std::string>>& tests) {
  Json list = Json::array();
  for (const auto& [in, out] : tests) list.push_back({{"stdin", in}, {"stdout", out}});
  return {{"mode", "stdin"}, {"tests", list}};
}

inline Json WithLimits(Json columns, const Json& limits) {
  columns["limits"] = limits;
  return columns;
}

inline Json AssertTests(const std::vector<std::string>& tests, const std::string& setup = "") {
  return {{"mode", "assert"}, {"tests", tests}, {"setup", setup}};
}

// The verdict of the first failing test; the sample must have been judged.
inline std::string VerdictOf(const std::string& code, const Json& columns,
                             const OptionMap& options = {}) {
  const Grade grade = GradeCode(code, columns, options);
  EXPECT_EQ(grade.status, STATUS_OK) << grade.detail << "\n" << code;
  if (!grade.tests) return "none";
  const bool right = grade.tests->verdict() == "accepted";
  EXPECT_EQ(right, grade.tests->passed() == grade.tests->total());
  EXPECT_EQ(right, grade.score == 1);
  return grade.tests->verdict();
}

}  // namespace cohort::reward::judge
