// Whole runs of the `cohort` program on a tiny recipe: killed, stopped, resumed, misused.

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/child_process.h"
#include "base/durable_file.h"
#include "base/json_lines.h"

namespace cohort {
namespace {

namespace fs = std::filesystem;
using base::ChildProcess;
using base::Json;
using std::chrono::milliseconds;

constexpr auto kLimit = milliseconds(120'000);

// The pid of a child process of `parent` by its program's name; 0 when there is none.
pid_t ChildNamed(const std::string& name, pid_t parent) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream stat(entry.path() / "stat");
    std::string pid, comm, state;
    pid_t its_parent = 0;
    if (!(stat >> pid >> comm >> state >> its_parent)) continue;
    if (comm == "(" + name + ")" && its_parent == parent) return std::stoi(pid);
  }
  return 0;
}

class TrainTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "train_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    std::ofstream(folder_ / "tiny.yaml") << R"(name: tiny
seed: 3
model:
  scratch: {layers: 2, width: 32, heads: 2, kv_heads: 1, ffn_width: 64, experts: 4,
            experts_per_token: 2, expert_width: 32, context: 64}
data: {generator: addition}
rewards:
  - {name: length, options: {max: "4", unit: characters}}
objective: {preset: dapo, kl: k3, kl_coef: 0.01}
rollout: {max_new_tokens: 8}
eval: {problems: 6}
output: {checkpoint_every: 1, samples_every: 1}
rounds:
  - {kind: sft, steps: 2, sequences_per_step: 8, learning_rate: 1e-3}
  - {kind: grpo, steps: 4, prompts_per_step: 4, group_size: 4, updates_per_step: 2, learning_rate: 1e-3}
)";
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<std::string> Command(const std::string& out, std::vector<std::string> more = {}) {
    std::vector<std::string> command = {std::string(COHORT_BIN_DIR) + "/cohort", "train",
                                        (folder_ / "tiny.yaml").string(), "--out",
                                        (folder_ / out).string()};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  int Run(const std::string& out, std::vector<std::string> more = {}) {
    ChildProcess child(Command(out, std::move(more)), folder_ / (out + ".log"));
    const auto status = child.Wait(kLimit);
    EXPECT_TRUE(status.has_value()) << "still running";
    return status.value_or(-1000);
  }
  std::string Log(const std::string& out) { return base::ReadFile(folder_ / (out + ".log")); }
  int64_t Rows(const std::string& out) {
    std::ifstream in(folder_ / out / "metrics.jsonl");
    int64_t rows = 0;
    for (std::string line; std::getline(in, line);) ++rows;
    return rows;
  }
  // Waits until metrics.jsonl has `rows` rows.
  bool WaitForRows(const std::string& out, int64_t rows) {
    for (int i = 0; i < 6000 && Rows(out) < rows; ++i) {
      std::this_thread::sleep_for(milliseconds(10));
    }
    return Rows(out) >= rows;
  }
  // Metrics without what the wall clock decides.
  std::vector<Json> Metrics(const std::string& out) {
    std::vector<Json> rows;
    base::ForEachJsonLine(folder_ / out / "metrics.jsonl", [&](const Json& row, int) {
      Json kept = Json::object();
      for (const auto& [key, value] : row.items()) {
        if (!key.ends_with("_s") && key != "worker_restarts" && key != "reissued_samples") {
          kept[key] = value;
        }
      }
      rows.push_back(kept);
    });
    return rows;
  }
  std::string Weights(const std::string& out, int step) {
    return base::ReadFile(folder_ / out / "checkpoints" / ("step-" + std::to_string(step)) /
                          "model" / "model.safetensors");
  }
  void ExpectSameRun(const std::string& a, const std::string& b) {
    EXPECT_EQ(Weights(a, 6), Weights(b, 6)) << "the weights differ";
    const std::vector<Json> left = Metrics(a), right = Metrics(b);
    ASSERT_EQ(left.size(), right.size());
    for (size_t i = 0; i < left.size(); ++i) EXPECT_EQ(left[i], right[i]) << "row " << i;
    EXPECT_EQ(base::ReadFile(folder_ / a / "samples.jsonl"),
              base::ReadFile(folder_ / b / "samples.jsonl"));
  }

  fs::path folder_;
};

TEST_F(TrainTest, SixStepsEqualThreeStepsAKillAndThreeMore) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  for (const char* interval : {"output.checkpoint_every=1", "output.checkpoint_every=3"}) {
    const std::string out = std::string("killed") + interval[std::strlen(interval) - 1];
    {
      ChildProcess child(Command(out, {interval}), folder_ / (out + ".log"));
      ASSERT_TRUE(WaitForRows(out, 5)) << Log(out);  // start, 2 sft, eval, 1 grpo
      child.Signal(SIGKILL);
      EXPECT_EQ(child.Wait(milliseconds(5000)), -SIGKILL);
    }
    ASSERT_EQ(Run(out, {interval}), 0) << Log(out);
    EXPECT_NE(Log(out).find("resuming after step"), std::string::npos) << Log(out);
    ExpectSameRun("straight", out);
  }
}

TEST_F(TrainTest, CtrlCFinishesTheStepSavesAndSaysHowToGoOn) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  ChildProcess child(Command("stopped"), folder_ / "stopped.log");
  ASSERT_TRUE(WaitForRows("stopped", 3)) << Log("stopped");
  child.Signal(SIGINT);
  const auto status = child.Wait(kLimit);
  ASSERT_TRUE(status == 4) << Log("stopped");
  EXPECT_NE(Log("stopped").find("the same command goes on"), std::string::npos) << Log("stopped");
  ASSERT_EQ(Run("stopped"), 0) << Log("stopped");
  ExpectSameRun("straight", "stopped");
}

TEST_F(TrainTest, TheSameRecipeRunTwiceIsDoneAtOnce) {
  ASSERT_EQ(Run("done"), 0) << Log("done");
  const auto before = Metrics("done");
  EXPECT_EQ(Run("done"), 0) << Log("done");
  EXPECT_EQ(Metrics("done"), before);
}

TEST_F(TrainTest, AWorkerKilledInAStepIsReplacedAndTheRunIsTheSame) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  ChildProcess child(Command("hurt"), folder_ / "hurt.log");
  ASSERT_TRUE(WaitForRows("hurt", 4)) << Log("hurt");
  const pid_t worker = ChildNamed("cohort-rollout", child.pid());
  ASSERT_GT(worker, 0) << "no worker was there to kill";
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  const auto status = child.Wait(kLimit);
  ASSERT_TRUE(status == 0) << Log("hurt");
  ExpectSameRun("straight", "hurt");
}

TEST_F(TrainTest, AnUnknownKeyExitsWithTwoWithinASecondAndNamesTheNearest) {
  std::ofstream(folder_ / "tiny.yaml", std::ios::app) << "optimzer: {beta1: 0.8}\n";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Run("typo"), 2);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  EXPECT_NE(Log("typo").find("tiny.yaml:16"), std::string::npos) << Log("typo");
  EXPECT_NE(Log("typo").find("did you mean 'optimizer'?"), std::string::npos) << Log("typo");
}

TEST_F(TrainTest, ACheckpointThatWasAlteredFallsBackToTheOneBefore) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  ASSERT_EQ(Run("altered"), 0) << Log("altered");
  const fs::path newest = folder_ / "altered/checkpoints/step-6";
  for (const auto& entry : fs::directory_iterator(newest)) {
    if (entry.path().filename() != "state.tensors") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fs::file_size(entry.path()) / 2));
    file.put('\x55');
    file.put('\xaa');
  }
  ASSERT_EQ(Run("altered"), 0) << Log("altered");
  EXPECT_NE(Log("altered").find("state.tensors"), std::string::npos) << Log("altered");
  ExpectSameRun("straight", "altered");
}

TEST_F(TrainTest, TwoRunsInOneFolderAreRefused) {
  ChildProcess child(Command("shared"), folder_ / "shared.log");
  ASSERT_TRUE(WaitForRows("shared", 1)) << Log("shared");
  ChildProcess second(Command("shared"), folder_ / "second.log");
  EXPECT_EQ(second.Wait(milliseconds(10'000)), 3) << base::ReadFile(folder_ / "second.log");
}

}  // namespace
}  // namespace cohort
