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

// A recipe over TRL's columns with a reward of its signature.
class RewardRowsTest : public testing::Test {
 protected:
  std::string Recipe(const std::string& reward, const std::string& rows = kRows) {
    folder_.Write("reward.py", reward);
    return folder_.Write(
        "r.yaml",
        "model: {scratch: {layers: 1, width: 16, heads: 2, kv_heads: 1, context: 512}}\n"
        "data: {train: " +
            folder_.Write("rows.jsonl", rows) +
            ", answer_field: ground_truth}\n"
            "rewards: [{name: python, weight: 2, options: {path: " +
            (folder_.path() / "reward.py").string() +
            "}}]\n"
            "rounds: [{kind: grpo}]\n");
  }

  static constexpr const char* kRows =
      "{\"prompt\":\"p\",\"ground_truth\":\"4\",\"level\":[1]}\n"
      "{\"prompt\":\"q\",\"ground_truth\":\"5\",\"level\":[2],\"completion\":\"is 5\"}\n";
  base::TemporaryFolder folder_;
};

TEST_F(RewardRowsTest, RowsArePosedAsARunPosesThem) {
  const std::string recipe = Recipe(
      "def reward(completion, ground_truth, level, **kwargs):\n"
      "  right = isinstance(level, list) and ground_truth in completion\n"
      "  return len(completion) if right else -1\n");
  const Outcome all = Try({"--recipe", recipe, "--json"});
  ASSERT_EQ(all.error, "");
  ASSERT_EQ(all.Rows().size(), 2u);
  EXPECT_EQ(all.Rows()[0]["score"], 2 * 24) << "The answer is \\boxed{4}.";
  EXPECT_EQ(all.Rows()[0]["components"][0]["score"], 24);
  EXPECT_EQ(all.Rows()[1]["score"], 2 * 4) << "is 5, its demonstration";
  const Outcome one = Try(
      {"--recipe", recipe, "rewards[0].weight=3", "--rows", "1", "--json", "--completion", "44"});
  ASSERT_EQ(one.Rows().size(), 1u) << one.error;
  EXPECT_EQ(one.Rows()[0]["score"], 3 * 2);
  const Outcome column = Try({"--recipe", recipe, "--completion-column", "ground_truth"});
  EXPECT_THAT(column.text, HasSubstr("rows.jsonl:2: completion: the row's column 'ground_truth'"));
  EXPECT_THAT(Try({"--recipe", recipe, "--completion-column", "levle"}).error,
              HasSubstr("no column 'levle'; did you mean 'level'?"));
}

TEST_F(RewardRowsTest, ARewardThatFailsOnEveryRowIsAnErrorWithItsPlace) {
  const std::string recipe = Recipe("def reward(completion, **c):\n  return c['nothing']\n");
  const Outcome outcome = Try({"--recipe", recipe});
  EXPECT_THAT(outcome.error, HasSubstr("the reward 'python' fails on each of the 2 rows; the "
                                       "first: error: "));
  EXPECT_THAT(outcome.error, HasSubstr("reward.py:2: KeyError"));
  const std::string some =
      Recipe("def reward(completion, answer, **c):\n  return {'5': 1}[answer]\n");
  EXPECT_EQ(Try({"--recipe", some}).error, "");
}

TEST_F(RewardRowsTest, AnotherFileTakesThePlaceOfTheRecipes) {
  const std::string recipe =
      Recipe("def reward(prompt, **c):\n  return float(prompt == 'other')\n");
  const std::string other =
      folder_.Write("other.jsonl", "{\"prompt\":\"other\",\"ground_truth\":1}\n");
  const Outcome outcome = Try({"--recipe", recipe, "--data", other, "--json"});
  ASSERT_EQ(outcome.Rows().size(), 1u) << outcome.error;
  EXPECT_EQ(outcome.Rows()[0]["score"], 2);
}

TEST(RewardCommand, SaysWhatIsMissing) {
  EXPECT_THAT(Try({"--completion", "x"}).error, HasSubstr("name a --reward or a --recipe"));
  EXPECT_THAT(Try({"--reward", "length"}).error, HasSubstr("give a --completion or an --input"));
  EXPECT_THAT(Try({"--reward", "lenght", "--completion", "x"}).error, HasSubstr("'length'"));
}

}  // namespace
}  // namespace cohort::rl
