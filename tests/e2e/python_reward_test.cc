// A whole run with a Python reward: components in the metrics, rewards that do not apply, failures.

#include <gmock/gmock.h>

#include "tests/e2e/tiny_run.h"

namespace cohort {
namespace {

using testing::HasSubstr;

const char* const kReward = R"(
def reward(prompt, completion, answer, level, **columns):
    assert level == 3 and answer == "1" and prompt == "do"
    if completion == "none":
        return None
    if completion == "raise":
        raise ValueError("I will not say")
    print("judging", completion)
    return {"fine": float(completion == "fine"), "rest": None, "three": 3}
)";

class PythonRewardTest : public TinyRun {
 protected:
  PythonRewardTest() { always_ = {"threads=1"}; }

  void WriteRecipe(const std::string& reward) {
    std::ofstream(folder_ / "my_reward.py") << reward;
    std::ofstream data(folder_ / "acts.jsonl");
    for (int i = 0; i < 40; ++i) {
      const char* acts[] = {"none", "raise", "fine", "two"};
      data << Json{{"prompt", "do"}, {"answer", "1"}, {"level", 3}, {"completion", acts[i % 4]}}
           << "\n";
    }
    std::ofstream(folder_ / "tiny.yaml") << R"(name: tiny
seed: 3
model:
  scratch: {layers: 2, width: 32, heads: 2, kv_heads: 1, ffn_width: 64, experts: 0, context: 64}
data: {train: )" << (folder_ / "acts.jsonl").string()
                                         << R"(}
rewards:
  - {name: python, weight: 0.5, options: {path: )"
                                         << (folder_ / "my_reward.py").string() << R"(}}
rollout: {max_new_tokens: 8}
eval: {problems: 0}
output: {checkpoint_every: 1000, samples_every: 1}
rounds:
  - {kind: sft, steps: 60, sequences_per_step: 16, learning_rate: 1e-2}
  - {kind: grpo, steps: 3, prompts_per_step: 4, group_size: 4, learning_rate: 1e-5}
)";
  }
};

TEST_F(PythonRewardTest, ComponentsAreMeasuredAndWhatDoesNotApplyIsNoFailure) {
  WriteRecipe(kReward);
  ASSERT_EQ(Run("run"), 0) << Log("run");
  int64_t counted = 0, failed = 0, not_applicable = 0, steps = 0;
  for (const Json& row : Metrics("run")) {
    if (row.at("phase") != "grpo") continue;
    ++steps;
    failed += row.at("failed_rewards").get<int64_t>();
    not_applicable += row.at("not_applicable_rewards").get<int64_t>();
    if (!row.contains("rewards")) continue;
    const Json& rewards = row.at("rewards");
    counted += rewards.at("python").at("count").get<int64_t>();
    EXPECT_EQ(rewards.at("python.three").at("mean"), 3) << row;
    EXPECT_EQ(rewards.at("python.three").at("std"), 0) << row;
    EXPECT_FALSE(rewards.contains("python.rest")) << row;
    EXPECT_DOUBLE_EQ(row.at("reward_mean"),
                     0.5 * (3 + rewards.at("python.fine").at("mean").get<double>()));
  }
  EXPECT_EQ(counted + failed + not_applicable, steps * 16);
  EXPECT_GT(counted, 0);
  EXPECT_GT(failed, 0);
  EXPECT_GT(not_applicable, 0);

  bool explained = false;
  base::ForEachJsonLine(folder_ / "run/samples.jsonl", [&](const Json& sample, int) {
    EXPECT_EQ(sample.at("columns").at("level"), 3);
    if (sample.at("completion") != "raise") return;
    explained = true;
    EXPECT_TRUE(sample.at("reward").is_null());
    EXPECT_TRUE(sample.at("advantage").is_null());
    EXPECT_THAT(sample.at("reward_detail"),
                HasSubstr("my_reward.py:7: ValueError: I will not say"));
  });
  EXPECT_TRUE(explained);

  ASSERT_EQ(RunCommand("again", {"reward", "try", "--recipe", (folder_ / "tiny.yaml").string(),
                                 "--input", (folder_ / "run/samples.jsonl").string()}),
            0);
  EXPECT_THAT(Log("again"), HasSubstr("(the run recorded 2"));
}

TEST_F(PythonRewardTest, ARewardThatFailsOnEveryRowStopsTheRunBeforeItsFirstStep) {
  WriteRecipe("def reward(completion, **columns):\n  return undefined\n");
  for (const std::vector<std::string>& how : {std::vector<std::string>{}, {"--dry-run"}}) {
    EXPECT_EQ(Run("run", how), 3);
    EXPECT_THAT(Log("run"), HasSubstr("the reward 'python' fails on each of the 8 training rows"));
    EXPECT_THAT(Log("run"), HasSubstr("my_reward.py:2: NameError"));
  }
  EXPECT_FALSE(fs::exists(folder_ / "run/metrics.jsonl"));
  WriteRecipe(kReward);
  EXPECT_EQ(Run("run", {"rounds[0].steps=1", "--dry-run"}), 0) << Log("run");
  EXPECT_THAT(Log("run"), HasSubstr("rewards: 1, all of which load and judge training rows"));
}

TEST_F(PythonRewardTest, AFileThatDoesNotLoadStopsTheRunBeforeItStarts) {
  WriteRecipe("import json\n\ndef reward(completion)\n  return 1\n");
  EXPECT_EQ(Run("run"), 2);
  EXPECT_THAT(Log("run"), HasSubstr("my_reward.py:3: SyntaxError"));
  EXPECT_FALSE(fs::exists(folder_ / "run"));
  EXPECT_EQ(Run("run", {"--dry-run"}), 2);
}

}  // namespace
}  // namespace cohort
