// The shared cases, and the reference solutions of HumanEval and MBPP, whole and with a token
// broken.

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "base/json_lines.h"
#include "tests/reward/code/judge_case.h"

namespace cohort::reward::judge {
namespace {

const std::string kData = COHORT_SOURCE_DIR "/../shared/data/";

std::vector<Json> Rows(const std::string& file) {
  std::vector<Json> rows;
  if (std::ifstream(kData + file)) {
    base::ForEachJsonLine(kData + file, [&](const Json& row, int) { rows.push_back(row); });
  }
  return rows;
}

struct Problem {
  std::string name;
  std::string code;
  Json columns;
};

std::vector<Problem> HumanEval() {
  std::vector<Problem> problems;
  for (const Json& row : Rows("humaneval.jsonl")) {
    const std::string code =
        row["prompt"].get<std::string>() + row["canonical_solution"].get<std::string>();
    problems.push_back(
        {row["task_id"], code, {{"test", row["test"]}, {"entry_point", row["entry_point"]}}});
  }
  return problems;
}

std::vector<Problem> Mbpp() {
  std::vector<Problem> problems;
  for (const Json& row : Rows("mbpp_sanitized.jsonl")) {
    problems.push_back({"MBPP/" + row["task_id"].dump(),
                        row["code"],
                        {{"test_list", row["test_list"]}, {"test_imports", row["test_imports"]}}});
  }
  return problems;
}

// Grades on two threads; calls `visit` on one at a time.
void GradeAll(const std::vector<Problem>& problems,
              const std::function<void(const Problem&, const Grade&)>& visit) {
  const auto grader = MakeGrader("code", {});
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (size_t i; (i = next++) < problems.size();) {
        Sample sample = MakeSample(Fenced(problems[i].code));
        Json columns = problems[i].columns;
        if (!columns.contains("limits")) columns["limits"] = {{"wall_ms", 8000}, {"cpu_ms", 4000}};
        sample.set_columns_json(columns.dump());
        const Grade grade = grader->Score(sample, Budget(std::chrono::milliseconds(120'000)));
        const std::lock_guard lock(mutex);
        visit(problems[i], grade);
      }
    });
  }
}

// Names of the problems that do not score 1.
std::set<std::string> Failing(const std::vector<Problem>& problems) {
  std::set<std::string> failing;
  GradeAll(problems, [&](const Problem& problem, const Grade& grade) {
    EXPECT_EQ(grade.status, STATUS_OK) << problem.name << ": " << grade.detail;
    if (grade.score != 1) failing.insert(problem.name + ": " + grade.detail);
  });
  return failing;
}

// The last operator or word of the solution's last return is turned into its contrary; where there
// is none, the returned value is wrapped. Always one token more or another one.
std::string WithOneTokenBroken(std::string code) {
  const size_t at = code.rfind("return ");
  if (at == std::string::npos) return code + "\nraise ValueError";
  static const std::vector<std::pair<std::string, std::string>> kContraries = {
      {" == ", " != "},    {" != ", " == "}, {" <= ", " > "}, {" >= ", " < "}, {" True", " False"},
      {" False", " True"}, {" + ", " - "},   {" - ", " + "},  {" * ", " + "}};
  for (const auto& [from, to] : kContraries) {
    const size_t found = code.find(from, at);
    if (found != std::string::npos && found < std::min(code.find('\n', at), code.size())) {
      return code.replace(found, from.size(), to);
    }
  }
  return code.replace(at, 7, "return 7, ");
}

TEST(SharedCodeCases, AllHold) {
  SKIP_WITHOUT_SANDBOX();
  std::vector<Problem> problems;
  std::map<std::string, Json> expected;
  for (const Json& row : Rows("rewards/code_cases.jsonl")) {
    problems.push_back({row["id"], row["code"], row});
    expected[row["id"]] = row["expected"];
  }
  if (problems.empty()) GTEST_SKIP() << kData << "rewards/code_cases.jsonl is not here";
  GradeAll(problems, [&](const Problem& problem, const Grade& grade) {
    const Json& want = expected[problem.name];
    ASSERT_EQ(grade.status, STATUS_OK) << problem.name << ": " << grade.detail;
    const Json verdicts = want.value("any_of", Json::array({want["verdict"]}));
    EXPECT_NE(std::find(verdicts.begin(), verdicts.end(), grade.tests->verdict()), verdicts.end())
        << problem.name << ": " << grade.detail;
    EXPECT_EQ(grade.tests->total(), want["total"]) << problem.name;
    if (grade.tests->verdict() != want["verdict"]) return;
    const size_t passed = want["passed"];
    const size_t most = want.value("max_passed", passed);
    EXPECT_GE(grade.tests->passed(), std::min(passed, most))
        << problem.name << ": " << grade.detail;
    EXPECT_LE(grade.tests->passed(), most) << problem.name << ": " << grade.detail;
  });
}

TEST(SharedCodeCases, EveryReferenceOfHumanEvalPasses) {
  SKIP_WITHOUT_SANDBOX();
  const auto problems = HumanEval();
  if (problems.empty()) GTEST_SKIP() << kData << "humaneval.jsonl is not here";
  EXPECT_EQ(Failing(problems), std::set<std::string>());
}

TEST(SharedCodeCases, EveryReferenceOfMbppPasses) {
  SKIP_WITHOUT_SANDBOX();
  const auto problems = Mbpp();
  if (problems.empty()) GTEST_SKIP() << kData << "mbpp_sanitized.jsonl is not here";
  EXPECT_EQ(Failing(problems), std::set<std::string>());
}

TEST(SharedCodeCases, ReferencesWithABrokenTokenFail) {
  SKIP_WITHOUT_SANDBOX();
  std::vector<Problem> problems = HumanEval();
  for (Problem& problem : Mbpp()) problems.push_back(std::move(problem));
  if (problems.empty()) GTEST_SKIP() << kData << " is not here";
  for (Problem& problem : problems) {
    problem.code = WithOneTokenBroken(problem.code);
    problem.columns["limits"] = {{"wall_ms", 2000}, {"cpu_ms", 1000}};
  }
  std::set<std::string> passing;
  GradeAll(problems, [&](const Problem& problem, const Grade& grade) {
    EXPECT_EQ(grade.status, STATUS_OK) << problem.name << ": " << grade.detail;
    if (grade.score != 0) passing.insert(problem.name + "\n" + problem.code);
  });
  // Nine of MBPP's tests never reach what is broken, or cannot tell (r + r from r * r at 2).
  EXPECT_LE(passing.size(), 9u) << testing::PrintToString(passing);
}

}  // namespace
}  // namespace cohort::reward::judge
