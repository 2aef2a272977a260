#include <gmock/gmock.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "rl/commands/commands.h"
#include "tests/reward/plugins/python_file.h"

namespace cohort::rl {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

struct Outcome {
  std::string error;
  std::string text;
  std::vector<json> Rows() const {
    std::vector<json> rows;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
    return rows;
  }
};

Outcome Try(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"reward", "try"});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  Outcome outcome;
  try {
    RunReward(static_cast<int>(argv.size()), argv.data());
  } catch (const Error& error) {
    outcome.error = error.what();
  }
  outcome.text = testing::internal::GetCapturedStdout();
  return outcome;
}

const char* const kParts =
    "def reward(prompt, completion, answer, level=None, **columns):\n"
    "  level = level if level is None else float(level)\n"  // a typed column is text
    "  return {'right': completion == answer, 'level': level, 'detail': prompt}\n";

TEST(RewardCommand, ShowsEveryComponentOfATypedAnswer) {
  const reward::PythonFile file(kParts);
  const Outcome outcome =
      Try({"--reward", "python", "--option", "path=" + file.path(), "--prompt", "1+1?",
           "--completion", "2", "--answer", "2", "--column", "level=0.25", "--json"});
  ASSERT_EQ(outcome.error, "");
  const json row = outcome.Rows().at(0);
  EXPECT_EQ(row["score"], 1.25);
  EXPECT_EQ(row["status"], "ok");
  ASSERT_EQ(row["components"].size(), 3u);
  EXPECT_EQ(row["components"][0]["detail"], "1+1?");
  EXPECT_EQ(row["components"][2]["name"], "python.level");
  const Outcome plain = Try({"--reward", "python", "--option", "path=" + file.path(),
                             "--completion", "3", "--answer", "2"});
  EXPECT_THAT(plain.text, HasSubstr("python.right"));
  EXPECT_THAT(plain.text, HasSubstr("not_applicable"));
}

TEST(RewardCommand, ATypedColumnIsTextAndAListOrAnObjectIsOne) {
  const reward::PythonFile file(
      "def reward(completion, k, tests):\n  return float(k == '2' and tests == [1, 'x'])\n");
  const Outcome outcome =
      Try({"--reward", "python", "--option", "path=" + file.path(), "--completion", "c", "--column",
           "k=2", "--column", "tests=[1, \"x\"]", "--json"});
  EXPECT_EQ(outcome.Rows().at(0)["score"], 1.0) << outcome.error;
}

TEST(RewardCommand, ScoresTheSamplesOfARunAgain) {
  const reward::PythonFile samples(
      R"({"step":1,"group_id":4,"sample_id":17,"prompt":"p","completion":"2","answer":"2",)"
      R"("reward":0.5,"rewards":{"python":0.5},"columns":{"level":2},"tokens":1})"
      "\n"
      R"({"step":1,"sample_id":18,"prompt":"p","completion":"3","answer":"2","reward":null})"
      "\n");
  const reward::PythonFile file(kParts);
  const Outcome outcome = Try({"--reward", "python", "--option", "path=" + file.path(), "--input",
                               samples.path(), "--json"});
  ASSERT_EQ(outcome.error, "");
  const auto rows = outcome.Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["id"], 17);
  EXPECT_EQ(rows[0]["score"], 3);
  EXPECT_EQ(rows[1]["score"], 0);
  const Outcome plain =
      Try({"--reward", "python", "--option", "path=" + file.path(), "--input", samples.path()});
  EXPECT_THAT(plain.text, HasSubstr("(the run recorded 0.5)"));
}

TEST(RewardCommand, SaysWhatIsMissing) {
  EXPECT_THAT(Try({"--completion", "x"}).error, HasSubstr("name a --reward or a --recipe"));
  EXPECT_THAT(Try({"--reward", "length"}).error, HasSubstr("give a --completion or an --input"));
  EXPECT_THAT(Try({"--reward", "lenght", "--completion", "x"}).error, HasSubstr("'length'"));
}

}  // namespace
}  // namespace cohort::rl
