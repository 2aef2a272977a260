#include "tests/reward/grade.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/durable_file.h"
#include "base/error.h"
#include "reward/code/box/sandbox.h"
#include "rl/commands/commands.h"
#include "rl/commands/grade_benchmark.h"

namespace cohort::rl {
namespace {

using nlohmann::json;
using testing::HasSubstr;

struct Outcome {
  int exit_status = 0;
  std::string error;
  std::vector<json> rows;
};

Outcome Grade(const std::string& input, std::vector<std::string> arguments) {
  const std::string file = testing::TempDir() + "grade_" + std::to_string(getpid()) + ".jsonl";
  std::ofstream(file) << input;
  arguments.insert(arguments.begin(), "grade");
  arguments.insert(arguments.end(), {"--input", file});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  Outcome outcome;
  try {
    outcome.exit_status = RunGrade(static_cast<int>(argv.size()), argv.data());
  } catch (const Error& error) {
    outcome.exit_status = ExitStatus(error.code());
    outcome.error = std::string(error.what()) + " " + error.hint();
  }
  std::istringstream lines(testing::internal::GetCapturedStdout());
  for (std::string line; std::getline(lines, line);) outcome.rows.push_back(json::parse(line));
  std::filesystem::remove(file);
  return outcome;
}

TEST(GradeCommand, TakesTheTokensThatARunCounted) {
  const Outcome outcome =
      Grade("{\"id\":1,\"pred\":\"a b c\",\"tokens\":90}\n{\"id\":2,\"pred\":\"a b c\"}\n",
            {"--reward", "length", "--option", "max=100", "--option", "cache=20"});
  ASSERT_EQ(outcome.rows.size(), 2u) << outcome.error;
  EXPECT_EQ(outcome.rows[0]["score"], -0.5);
  EXPECT_EQ(outcome.rows[0]["detail"], "90 tokens");
  EXPECT_EQ(outcome.rows[1]["score"], 0);
  EXPECT_EQ(outcome.rows[1]["detail"], "5 characters");
}

TEST(GradeCommand, IntegersOfAnySizeKeepTheirDigits) {
  const std::string big = "123456789012345678901234567890";
  const Outcome outcome = Grade("{\"id\":" + big + ",\"gold\":" + big + ",\"answer\":\"" + big +
                                    "\"}\n{\"id\":2,\"gold\":" + big +
                                    ",\"answer\":\"123456789012345678901234567891\"}\n",
                                {"--reward", "exact_answer"});
  ASSERT_EQ(outcome.rows.size(), 2u) << outcome.error;
  EXPECT_EQ(outcome.rows[0]["score"], 1);
  EXPECT_EQ(outcome.rows[1]["score"], 0);
}

TEST(GradeCommand, GradesLinesInInputOrder) {
  std::string input;
  for (int i = 0; i < 10'000; ++i) {
    input +=
        json{{"id", i}, {"gold", std::to_string(i)}, {"pred", "It is " + std::to_string(i - i % 2)}}
            .dump() +
        "\n";
  }
  const Outcome outcome = Grade(input, {"--reward", "last_number", "--workers", "4"});
  EXPECT_EQ(outcome.exit_status, 0) << outcome.error;
  ASSERT_EQ(outcome.rows.size(), 10'000u);
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(outcome.rows[i]["id"], i);
    EXPECT_EQ(outcome.rows[i]["score"], i % 2 == 0 ? 1 : 0) << i;
    EXPECT_EQ(outcome.rows[i]["status"], "ok");
  }
}

TEST(GradeCommand, AFailureOfTheGraderHasNoScore) {
  const Outcome outcome =
      Grade(R"({"id":"a","gold":"blue","pred":"5"})", {"--reward", "last_number"});
  ASSERT_EQ(outcome.rows.size(), 1u);
  EXPECT_EQ(outcome.rows[0]["id"], "a");
  EXPECT_TRUE(outcome.rows[0]["score"].is_null());
  EXPECT_EQ(outcome.rows[0]["status"], "unparseable");
  EXPECT_EQ(outcome.rows[0]["detail"], "the answer 'blue' is not one number");
}

TEST(GradeCommand, TakesAnswersNumbersAndMissingGolds) {
  const Outcome outcome = Grade(
      "{\"id\":1,\"gold\":42,\"answer\":\"42\"}\n\n{\"id\":2,\"gold\":\"42\",\"answer\":42}\n"
      "{\"id\":3,\"gold\":null,\"pred\":\"42\"}\n",
      {"--reward", "exact_answer"});
  ASSERT_EQ(outcome.rows.size(), 3u);
  EXPECT_EQ(outcome.rows[0]["score"], 1);
  EXPECT_EQ(outcome.rows[1]["score"], 1);
  EXPECT_EQ(outcome.rows[2]["status"], "unparseable");
}

TEST(GradeCommand, TellsAResponseFromAnExtractedAnswer) {
  const Outcome outcome = Grade(
      "{\"id\":1,\"gold\":\"7\",\"pred\":\"Not 6: the answer is 7.\"}\n"
      "{\"id\":2,\"gold\":\"7\",\"answer\":\"6 or 7\"}\n"
      "{\"id\":3,\"gold\":\"\\\\clubsuit\",\"answer\":\"7\"}\n",
      {"--reward", "math"});
  ASSERT_EQ(outcome.rows.size(), 3u) << outcome.error;
  EXPECT_EQ(outcome.rows[0]["score"], 1);
  EXPECT_EQ(outcome.rows[0]["detail"], "'7' (answer phrase) equals '7': text");
  EXPECT_EQ(outcome.rows[1]["score"], 0);
  EXPECT_EQ(outcome.rows[1]["status"], "ok");
  EXPECT_TRUE(outcome.rows[2]["score"].is_null());
  EXPECT_EQ(outcome.rows[2]["status"], "unparseable");
}

TEST(GradeBenchmark, CountsADatasetsLinesTwiceAndOthersOnce) {
  const std::string file = testing::TempDir() + "bench_" + std::to_string(getpid()) + ".jsonl";
  std::ofstream(file) << "{\"answer\":\"5\"}\n{\"answer\":\"x^2\"}\n"
                         "{\"gold\":\"5\",\"pred\":\"\\\\boxed{5}\"}\n";
  GradeBenchmark benchmark;
  benchmark.input = file;
  benchmark.repeats = 2;
  benchmark.workers = 2;
  const json result = RunGradeBenchmark(benchmark);
  std::filesystem::remove(file);
  EXPECT_EQ(result["grades"], 5);
  EXPECT_EQ(result["scored_1"], 3);
  EXPECT_EQ(result["statuses"], json({{"ok", 5}}));
  EXPECT_GT(result["grades_per_s"], 0);
  EXPECT_GE(result["max_us"], result["p50_us"]);
}

TEST(GradeCommand, PassesOptionsOn) {
  const Outcome outcome =
      Grade("{\"id\":1,\"pred\":\"a=b\"}\n{\"id\":2,\"pred\":\"ab\"}",
            {"--reward", "format", "--option", "pattern=a=b", "--option", "match=search"});
  ASSERT_EQ(outcome.rows.size(), 2u) << outcome.error;
  EXPECT_EQ(outcome.rows[0]["score"], 1);
  EXPECT_EQ(outcome.rows[1]["score"], 0);
}

TEST(GradeCommand, RunsAPluginOnTheWholeRow) {
  const Outcome outcome =
      Grade("{\"id\":1,\"pred\":\"aab\",\"level\":3}\n{\"id\":2,\"pred\":\"abort\"}",
            {"--reward", "custom", "--option", "path=" + reward::TestPlugin("misbehaves")});
  ASSERT_EQ(outcome.rows.size(), 2u) << outcome.error;
  EXPECT_EQ(outcome.rows[0]["score"], 1);
  EXPECT_EQ(outcome.rows[1]["status"], "crash");
}

TEST(GradeCommand, RunsAPythonFileOnTheWholeRow) {
  const std::string path = COHORT_SOURCE_DIR "/tests/reward/plugins/misbehaves.py";
  const Outcome outcome = Grade(
      "{\"id\":1,\"pred\":\"fine\",\"level\":3}\n{\"id\":2,\"pred\":\"none\"}\n"
      "{\"id\":3,\"pred\":\"raise\"}\n{\"id\":4,\"pred\":\"print\"}",
      {"--reward", "python", "--option", "path=" + path});
  ASSERT_EQ(outcome.rows.size(), 4u) << outcome.error;
  EXPECT_EQ(outcome.rows[0]["score"], 1);
  EXPECT_TRUE(outcome.rows[1]["score"].is_null());
  EXPECT_EQ(outcome.rows[1]["status"], "not_applicable");
  EXPECT_EQ(outcome.rows[2]["status"], "error");
  EXPECT_THAT(outcome.rows[2]["detail"], HasSubstr("ValueError: invalid literal"));
  EXPECT_EQ(outcome.rows[3]["score"], 1);
}

TEST(GradeCommand, NamesTheLineOfBadInputAndExitsWith2) {
  const std::string good = R"({"id":1,"gold":"5","pred":"5"})";
  const std::pair<const char*, const char*> faults[] = {
      {"{\"id\":2,", ":2: expected one JSON object"},
      {"[1]", ":2: expected one JSON object"},
      {R"({"gold":"5","pred":"5"})", ":2: the field 'id' is missing"},
      {R"({"id":2,"gold":"5"})", ":2: neither 'pred' nor 'answer' nor 'code'"},
  };
  for (const auto& [line, message] : faults) {
    const Outcome outcome = Grade(good + "\n" + line, {"--reward", "last_number"});
    EXPECT_EQ(outcome.exit_status, 2) << line;
    EXPECT_THAT(outcome.error, HasSubstr(message));
    EXPECT_EQ(outcome.rows.size(), 1u) << "what came before the fault is graded";
  }
}

TEST(GradeCommand, RefusesBadUsageWithTheNearestName) {
  EXPECT_THAT(Grade("", {"--reward", "boxed"}).error, HasSubstr("the rewards are: last_number"));
  EXPECT_THAT(Grade("", {"--reward", "boxd_answer"}).error,
              HasSubstr("did you mean 'boxed_answer'"));
  EXPECT_EQ(Grade("", {"--reward", "boxd_answer"}).exit_status, 2);
  EXPECT_THAT(Grade("", {"--reward", "format", "--option", "pattern"}).error,
              HasSubstr("expected key=value"));
}

bool CanConfine() {
  for (const auto& protection : reward::judge::Sandbox::OfThisProcess().protections()) {
    if (protection.needed && !protection.works) return false;
  }
  return true;
}

TEST(GradeCommand, IntegersOfTestsKeepTheirDigits) {
  if (!CanConfine()) GTEST_SKIP() << "this machine cannot confine programs";
  const auto row = [](const std::string& code) {
    return "{\"id\":1,\"code\":\"def f(n): return " + code +
           "\",\"mode\":\"call\",\"entry\":\"f\",\"tests\":[{\"args\":["
           "123456789012345678901234567890],"
           "\"expected\":123456789012345678901234567891}]}\n";
  };
  const Outcome outcome = Grade(row("n + 1") + row("n") + row("float(n)"), {"--reward", "code"});
  ASSERT_EQ(outcome.rows.size(), 3u) << outcome.error;
  EXPECT_EQ(outcome.rows[0]["score"], 1) << outcome.rows[0];
  EXPECT_EQ(outcome.rows[1]["score"], 0) << outcome.rows[1];
  EXPECT_EQ(outcome.rows[2]["score"], 0) << outcome.rows[2];
}

TEST(GradeCommand, CountsTheTestsOfPrograms) {
  if (!CanConfine()) GTEST_SKIP() << "this machine cannot confine programs";
  const json tests = {{{"stdin", "1 2\n"}, {"stdout", "3\n"}},
                      {{"stdin", "2 2\n"}, {"stdout", "4\n"}}};
  const json bare = {{"id", "a"},
                     {"mode", "stdin"},
                     {"language", "python"},
                     {"tests", tests},
                     {"code", "# ``` stays\nprint(sum(map(int, input().split())))"}};
  const json response = {
      {"id", "b"}, {"mode", "stdin"}, {"tests", tests}, {"pred", "So:\n```python\nprint(3)\n```"}};
  const Outcome outcome = Grade(bare.dump() + "\n" + response.dump() + "\n", {"--reward", "code"});
  ASSERT_EQ(outcome.rows.size(), 2u) << outcome.error;
  EXPECT_EQ(outcome.rows[0]["score"], 1);
  EXPECT_EQ(outcome.rows[0]["verdict"], "accepted");
  EXPECT_EQ(outcome.rows[0]["passed"], 2);
  EXPECT_EQ(outcome.rows[1]["score"], 0);
  EXPECT_EQ(outcome.rows[1]["status"], "ok");
  EXPECT_EQ(outcome.rows[1]["verdict"], "wrong_answer");
  EXPECT_EQ(outcome.rows[1]["passed"], 1);
  EXPECT_EQ(outcome.rows[1]["total"], 2);
}

TEST(GradeCommand, NamesTheLineOfUnreadableTests) {
  if (!CanConfine()) GTEST_SKIP() << "this machine cannot confine programs";
  json row = {{"id", 1}, {"mode", "stdin"}, {"code", "print(1)"}};
  row["tests"] = json::array({{{"stdin", ""}, {"stdout", "1"}}});
  std::string input = "\n" + row.dump() + "\n";
  row["tests"] = json::array({{{"stdin", ""}}});
  input += row.dump() + "\n";
  const Outcome outcome = Grade(input, {"--reward", "code"});
  ASSERT_EQ(outcome.rows.size(), 2u) << outcome.error;
  EXPECT_EQ(outcome.rows[0]["score"], 1);
  EXPECT_EQ(outcome.rows[1]["score"], nullptr);
  EXPECT_EQ(outcome.rows[1]["status"], "unparseable");
  EXPECT_THAT(outcome.rows[1]["detail"].get<std::string>(),
              HasSubstr("line 3: tests[0].stdout is missing"));
}

}  // namespace
}  // namespace cohort::rl
