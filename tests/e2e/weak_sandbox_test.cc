// A run with the reward `code` where the kernel confines nothing: refused, unless the recipe allows
// it.

#include <gmock/gmock.h>

#include "tests/e2e/tiny_run.h"

namespace cohort {
namespace {

using testing::HasSubstr;

class WeakSandboxTest : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    std::ofstream data(folder_ / "sums.jsonl");
    for (int i = 0; i < 16; ++i) {
      data << Json{{"prompt", "go"},
                   {"completion", "```\nprint(1)\n```"},
                   {"mode", "stdin"},
                   {"tests", {{{"stdin", ""}, {"stdout", "1\n"}}}}}
           << "\n";
    }
    std::ofstream(folder_ / "tiny.yaml") << R"(name: tiny
model:
  scratch: {layers: 2, width: 32, heads: 2, kv_heads: 1, ffn_width: 64, experts: 0, context: 64}
data: {train: )" << (folder_ / "sums.jsonl").string()
                                         << R"(}
rewards: [{name: code}]
rollout: {max_new_tokens: 24}
eval: {problems: 0}
rounds:
  - {kind: sft, steps: 60, sequences_per_step: 8, learning_rate: 1e-2}
  - {kind: grpo, steps: 1, prompts_per_step: 2, group_size: 2, learning_rate: 1e-5}
)";
  }

  // In a user namespace that may make no other.
  int RunConfined(const std::string& out, std::vector<std::string> more) {
    std::string command = "echo 0 > /proc/sys/user/max_user_namespaces && exec";
    for (const std::string& word : Command(out, std::move(more))) command += " '" + word + "'";
    ChildProcess child({"/usr/bin/unshare", "--user", "--map-root-user", "sh", "-c", command},
                       folder_ / (out + ".log"));
    return child.Wait(kLimit).value_or(-1000);
  }
  bool CanUnshare() {
    ChildProcess child({"/usr/bin/unshare", "--user", "--map-root-user", "sh", "-c",
                        "echo 0 > /proc/sys/user/max_user_namespaces"},
                       folder_ / "unshare.log");
    return child.Wait(kLimit) == 0;
  }
};

TEST_F(WeakSandboxTest, TheRunIsRefusedBeforeItStartsAndSaysWhatAllowsIt) {
  if (!CanUnshare()) GTEST_SKIP() << "no user namespace can be made here";
  EXPECT_EQ(RunConfined("run", {}), 3) << Log("run");
  EXPECT_THAT(Log("run"), HasSubstr("untrusted code cannot be confined here: namespaces"));
  EXPECT_THAT(Log("run"), HasSubstr("rollout.allow_weak_sandbox=true"));
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(WeakSandboxTest, TheRecipeAllowsItForTheServicesThatItStarts) {
  if (!CanUnshare()) GTEST_SKIP() << "no user namespace can be made here";
  ASSERT_EQ(RunConfined("run", {"rollout.allow_weak_sandbox=true"}), 0) << Log("run");
  int steps = 0;
  for (const Json& row : Metrics("run")) {
    if (row.at("phase") != "grpo") continue;
    ++steps;
    EXPECT_EQ(row.at("failed_rewards"), 0) << row;
  }
  EXPECT_EQ(steps, 1);
}

}  // namespace
}  // namespace cohort
