#pragma once

// A tiny recipe in a folder of its own, and the `cohort` program that runs it: what the whole-run
// tests share.

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/child_process.h"
#include "base/durable_file.h"
#include "base/json_lines.h"
#include "base/temporary_folder.h"

namespace cohort {

namespace fs = std::filesystem;
using base::ChildProcess;
using base::Json;
using std::chrono::milliseconds;

inline constexpr auto kLimit = milliseconds(120'000);

// The pid of a child process of `parent` by its program's name; 0 when there is none.
inline pid_t ChildNamed(const std::string& name, pid_t parent) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream stat(entry.path() / "stat");
    std::string pid, comm, state;
    pid_t its_parent = 0;
    if (!(stat >> pid >> comm >> state >> its_parent)) continue;
    if (comm == "(" + name + ")" && its_parent == parent) return std::stoi(pid);
  }
  return 0;
}

class TinyRun : public testing::Test {
 protected:
  void SetUp() override {
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

  std::vector<std::string> Command(const std::string& out, std::vector<std::string> more = {}) {
    std::vector<std::string> command = {std::string(COHORT_BIN_DIR) + "/cohort", "train",
                                        (folder_ / "tiny.yaml").string(), "--out",
                                        (folder_ / out).string()};
    command.insert(command.end(), always_.begin(), always_.end());
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  int Run(const std::string& out, std::vector<std::string> more = {}) {
    std::vector<std::string> command = Command(out, std::move(more));
    command.erase(command.begin());
    return RunCommand(out, std::move(command));
  }
  // Another command of `cohort`, its output in NAME.log.
  int RunCommand(const std::string& name, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), std::string(COHORT_BIN_DIR) + "/cohort");
    ChildProcess child(arguments, folder_ / (name + ".log"));
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
  void ExpectSameRun(const std::string& a, const std::string& b, int steps = 6) {
    ExpectSameSteps(a, b, steps);
    EXPECT_TRUE(Journal(a) == Journal(b)) << "the journals differ";
  }
  // Of runs whose recipes differ in what no step depends on: a journal names its recipe.
  void ExpectSameSteps(const std::string& a, const std::string& b, int steps) {
    // No EXPECT_EQ: it would print both files byte by byte.
    EXPECT_TRUE(Weights(a, steps) == Weights(b, steps)) << "the weights differ";
    const std::vector<Json> left = Metrics(a), right = Metrics(b);
    ASSERT_EQ(left.size(), right.size());
    for (size_t i = 0; i < left.size(); ++i) EXPECT_EQ(left[i], right[i]) << "row " << i;
    EXPECT_EQ(base::ReadFile(folder_ / a / "samples.jsonl"),
              base::ReadFile(folder_ / b / "samples.jsonl"));
  }
  // The bytes of each file, by its name.
  std::map<std::string, std::string> Journal(const std::string& out) {
    std::map<std::string, std::string> files;
    for (const auto& file : fs::directory_iterator(folder_ / out / "journal")) {
      files[file.path().filename()] = base::ReadFile(file.path());
    }
    return files;
  }

  const base::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
  std::vector<std::string> always_;  // overrides of every run
};

}  // namespace cohort
