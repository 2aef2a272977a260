#pragma once

// The task that a sample's columns describe.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "reward/code/box/limits.h"
#include "reward/code/output_compare.h"

namespace cohort::reward::judge {

enum class TestMode { kStdin, kCall, kAssert };

struct StdinTest {
  std::string input;
  std::string expected;
};

struct CodeTask {
  TestMode mode = TestMode::kStdin;
  std::string language;
  ProgramLimits limits;
  Compare compare;
  std::vector<StdinTest> stdin_tests;
  nlohmann::json tests;  // kCall: [{"args", "expected"}]; kAssert: ["assert ..."]
  std::string entry;     // kCall: the function; kAssert: optional
  std::string preamble;  // kAssert: code before the submission and the tests, if it is code
  std::string setup;     // kAssert: test code that comes first; kCall: code before the submission
  std::string checker;   // source of a program, where compare is kChecker
  std::string checker_language;
  bool all_or_nothing = true;  // a test that failed decides the score
  bool stop_early = false;     // no test is run after one that failed

  size_t total() const { return mode == TestMode::kStdin ? stdin_tests.size() : tests.size(); }
};

// The values of columns that are missing.
struct TaskDefaults {
  std::string language = "python";
  ProgramLimits limits;
  Compare compare;
  bool all_or_nothing = true;
  bool stop_early = false;
};

// Reads the columns `mode`, `tests`, `language`, `limits`, `compare`, `entry`, `setup`, `checker`
// and `checker_language`; without `tests` also MBPP's `test_list` (`test_imports`,
// `test_setup_code`) and HumanEval's `test` and `entry_point`. Errors: kUsage names the place, e.g.
// "tests[2].stdin". HumanEval's prompt is code that its tests may use: `prompt` becomes the
// preamble there.
CodeTask ReadTask(std::string_view columns_json, const std::string& prompt,
                  const TaskDefaults& defaults);

}  // namespace cohort::reward::judge
