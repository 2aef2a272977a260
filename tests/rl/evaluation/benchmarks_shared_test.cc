// `cohort eval` over the public benchmarks by path alone, with their reference solutions as the
// completions.

#include <gtest/gtest.h>

#include <functional>

#include "base/json_lines.h"
#include "base/temporary_folder.h"
#include "rl/commands/commands.h"
#include "tests/reward/code/judge_case.h"

namespace cohort::rl {
namespace {

using base::Json;
namespace judge = reward::judge;  // for SKIP_WITHOUT_SANDBOX

const std::string kData = COHORT_SOURCE_DIR "/../shared/data/";
constexpr size_t kProblems = 12;  // of each; a whole file takes minutes where programs are run

using Solution = std::function<std::string(const Json& row)>;

std::string Fenced(const std::string& code) { return "```python\n" + code + "\n```\n"; }

class EvalBenchmarks : public testing::Test {
 protected:
  // The output of `cohort eval --json` for the first problems of the file.
  Json Report(const std::string& file, const Solution& solution,
              std::vector<std::string> more = {}) {
    std::vector<Json> rows;
    base::ForEachJsonLine(kData + file, [&](const Json& row, int) { rows.push_back(row); });
    std::string lines;
    for (const Json& row : rows) lines += Json{{"completion", solution(row)}}.dump() + "\n";
    std::vector<std::string> arguments = {"eval",
                                          "--data",
                                          kData + file,
                                          "--completions",
                                          folder_.Write("solutions.jsonl", lines),
                                          "--problems",
                                          std::to_string(kProblems),
                                          "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    testing::internal::CaptureStdout();
    const int status = RunEval(static_cast<int>(argv.size()), argv.data());
    const Json report = Json::parse(testing::internal::GetCapturedStdout());
    EXPECT_EQ(status, 0);
    EXPECT_EQ(report["problems"], kProblems);
    EXPECT_EQ(report["failed"], 0);
    return report;
  }

  base::TemporaryFolder folder_;
};

#define SKIP_WITHOUT(file) \
  if (!std::filesystem::exists(kData + (file))) GTEST_SKIP() << kData << (file) << " is not here"

TEST_F(EvalBenchmarks, Gsm8kSolutionsAreRight) {
  SKIP_WITHOUT("gsm8k_test.jsonl");
  const Json report = Report("gsm8k_test.jsonl", [](const Json& row) { return row["answer"]; });
  EXPECT_EQ(report["benchmark"], "GSM8K");
  EXPECT_EQ(report["accuracy"], 1);
}

TEST_F(EvalBenchmarks, MathSolutionsAreRightByLevelAndSubject) {
  SKIP_WITHOUT("math500.jsonl");
  const Json report = Report("math500.jsonl", [](const Json& row) { return row["solution"]; },
                             {"--by", "level,subject"});
  EXPECT_EQ(report["benchmark"], "MATH");
  EXPECT_EQ(report["accuracy"], 1);
  EXPECT_EQ(report["by"]["level"]["2"]["accuracy"], 1);
  EXPECT_EQ(report["by"]["subject"]["Algebra"]["accuracy"], 1);
}

TEST_F(EvalBenchmarks, HumanEvalSolutionsAreRightWholeAndAsContinuations) {
  SKIP_WITHOUT("humaneval.jsonl");
  SKIP_WITHOUT_SANDBOX();
  const Json whole = Report("humaneval.jsonl", [](const Json& row) {
    return Fenced(row["prompt"].get<std::string>() + row["canonical_solution"].get<std::string>());
  });
  EXPECT_EQ(whole["benchmark"], "HumanEval");
  EXPECT_EQ(whole["accuracy"], 1);
  const Json continued =
      Report("humaneval.jsonl", [](const Json& row) { return row["canonical_solution"]; },
             {"--option", "unfenced=true"});
  EXPECT_EQ(continued["accuracy"], 1);
}

TEST_F(EvalBenchmarks, MbppSolutionsAreRight) {
  SKIP_WITHOUT("mbpp_sanitized.jsonl");
  SKIP_WITHOUT_SANDBOX();
  const Json report =
      Report("mbpp_sanitized.jsonl", [](const Json& row) { return Fenced(row["code"]); });
  EXPECT_EQ(report["benchmark"], "MBPP");
  EXPECT_EQ(report["accuracy"], 1);
}

TEST_F(EvalBenchmarks, WrongSolutionsAreWrong) {
  SKIP_WITHOUT("math500.jsonl");
  const Json report = Report("math500.jsonl", [](const Json&) { return "\\boxed{-12345.6}"; });
  EXPECT_EQ(report["accuracy"], 0);
}

}  // namespace
}  // namespace cohort::rl
