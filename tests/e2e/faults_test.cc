// Whole runs of the `cohort` program in a hostile world: rewards that fail, services that die,
// disks that fill, files that are cut short.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/tiny_run.h"

namespace cohort {
namespace {

using testing::HasSubstr;

// Processor time of a process so far: fields 14 and 15 of its stat (man 5 proc).
double ProcessorSeconds(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(stat), {}};
  const size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return 0;
  std::istringstream fields(text.substr(end_of_name + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

class FaultsTest : public TinyRun {
 protected:
  // Threads that wait for each other are slow on a busy machine, and nothing here is about them.
  FaultsTest() { always_ = {"threads=1"}; }

  // Three quarters of the demonstrations are what the plug-in `misbehaves` obeys by failing.
  void WriteFailingRewardRecipe() {
    std::ofstream data(folder_ / "acts.jsonl");
    for (int i = 0; i < 40; ++i) {
      const char* acts[] = {"nan", "fail", "abort", "fine"};
      data << Json{{"prompt", "do"}, {"answer", "1"}, {"completion", acts[i % 4]}}.dump() << "\n";
    }
    std::ofstream(folder_ / "tiny.yaml") << R"(name: tiny
seed: 3
model:
  scratch: {layers: 2, width: 32, heads: 2, kv_heads: 1, ffn_width: 64, experts: 0, context: 64}
data: {train: )" << (folder_ / "acts.jsonl").string()
                                         << R"(}
rewards:
  - {name: custom, options: {path: )" << COHORT_BIN_DIR
                                         << R"(/test_plugins/misbehaves.so}}
rollout: {max_new_tokens: 8}
eval: {problems: 0}
output: {checkpoint_every: 1000, samples_every: 1}
rounds:
  - {kind: sft, steps: 60, sequences_per_step: 16, learning_rate: 1e-2}
  - {kind: grpo, steps: 2, prompts_per_step: 4, group_size: 4, learning_rate: 1e-5}
  - {kind: grpo, steps: 2, prompts_per_step: 4, group_size: 2, learning_rate: 1e-5}
)";
  }

  void Cut(const fs::path& path, uintmax_t bytes) { fs::resize_file(path, bytes); }

  // A fresh copy of the straight run's model, to be damaged.
  fs::path CopyOfModel(const std::string& name) {
    const fs::path copy = folder_ / name;
    fs::copy(folder_ / "straight/checkpoints/step-6/model", copy);
    return copy;
  }
};

TEST_F(FaultsTest, SamplesWhoseRewardFailsAreCountedAndLeftOutAndTheRunGoesOn) {
  WriteFailingRewardRecipe();
  ASSERT_EQ(Run("failing"), 0) << Log("failing");

  // The records hold the best and the worst sample of a group, one record when they are equal: of a
  // pair they tell how many failed.
  std::map<int64_t, std::map<int64_t, std::vector<bool>>> failures;  // by step and group
  base::ForEachJsonLine(folder_ / "failing/samples.jsonl", [&](const Json& sample, int) {
    const bool failed = sample.at("reward").is_null();
    failures[sample.at("step")][sample.at("group_id")].push_back(failed);
    EXPECT_EQ(failed, sample.at("advantage").is_null()) << sample;
    const std::string text = sample.at("completion");
    EXPECT_EQ(failed, text == "nan" || text == "fail" || text == "abort") << sample;
  });

  int64_t failed = 0, scored = 0, steps = 0;
  for (const Json& row : Metrics("failing")) {
    if (row.at("phase") != "grpo") continue;
    ++steps;
    const bool pairs = row.at("round") == 3;
    const int64_t samples = pairs ? 8 : 16, failed_here = row.at("failed_rewards");
    failed += failed_here;
    scored += samples - failed_here;
    if (failed_here < samples) {  // a failed sample that counted as 0 would pull the mean down
      EXPECT_EQ(row.at("reward_mean"), 1.0) << row;
    }
    if (failed_here > 0) {
      EXPECT_LT(row.at("trained_tokens").get<int64_t>(),
                row.at("completion_tokens").get<int64_t>());
    }
    if (!pairs) continue;
    int64_t recorded = 0;
    for (const auto& [group, records] : failures[row.at("step")]) {
      const int64_t bad = std::count(records.begin(), records.end(), true);
      recorded += records.size() == 1 ? 2 * bad : bad;
    }
    EXPECT_EQ(failed_here, recorded) << row;
  }
  EXPECT_EQ(steps, 4);
  EXPECT_GT(failed, 0) << "no reward failed: the test tests nothing";
  EXPECT_GT(scored, 0) << "every reward failed: the test tests nothing";
}

TEST_F(FaultsTest, ARewardServiceKilledInARunIsReplacedAndTheRunIsTheSame) {
  const std::vector<std::string> longer = {"rounds[1].steps=10"};
  ASSERT_EQ(Run("straight", longer), 0) << Log("straight");
  ChildProcess child(Command("hurt", longer), folder_ / "hurt.log");
  ASSERT_TRUE(WaitForRows("hurt", 4)) << Log("hurt");
  const pid_t killed = ChildNamed("cohort-reward", child.pid());
  ASSERT_GT(killed, 0) << "no service was there to kill";
  ASSERT_EQ(kill(killed, SIGKILL), 0);
  pid_t now = killed;
  while ((now == killed || now == 0) && child.Running()) {
    std::this_thread::sleep_for(milliseconds(2));
    now = ChildNamed("cohort-reward", child.pid());
  }
  EXPECT_NE(now, killed) << "it was not replaced";
  EXPECT_NE(now, 0) << "it was not replaced";
  const auto status = child.Wait(kLimit);
  ASSERT_TRUE(status == 0) << Log("hurt");
  EXPECT_THAT(Log("hurt"), HasSubstr("reward-0 ended (signal 9)"));
  ExpectSameRun("straight", "hurt", 12);
}

TEST_F(FaultsTest, AWorkerKilledWhileItSamplesIsReplacedAndItsSamplesAreIssuedAgain) {
  // Long completions of equal reward: such a step is nothing but sampling, seconds of it.
  const std::vector<std::string> sampling = {"model.scratch.context=512",
                                             "rollout.max_new_tokens=450",
                                             "objective.kl=none",
                                             "objective.kl_coef=0",
                                             "rounds[1].steps=2",
                                             "rounds[1].prompts_per_step=64",
                                             "rounds[1].updates_per_step=1",
                                             "eval.problems=0"};
  ASSERT_EQ(Run("straight", sampling), 0) << Log("straight");
  ChildProcess child(Command("hurt", sampling), folder_ / "hurt.log");
  ASSERT_TRUE(WaitForRows("hurt", 2)) << Log("hurt");  // both sft steps; grpo begins
  const pid_t worker = ChildNamed("cohort-rollout", child.pid());
  ASSERT_GT(worker, 0) << "no worker was there to kill";
  // Until it has computed for a while: on a busy machine that is no fixed time on the clock.
  const double seconds_before = ProcessorSeconds(worker);
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  while (ProcessorSeconds(worker) < seconds_before + 0.3) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "the worker computes nothing";
    std::this_thread::sleep_for(milliseconds(5));
  }
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  const auto status = child.Wait(kLimit);
  ASSERT_TRUE(status == 0) << Log("hurt");
  int64_t reissued = 0;
  base::ForEachJsonLine(folder_ / "hurt/metrics.jsonl", [&](const Json& row, int) {
    reissued += row.value("reissued_samples", int64_t{0});
  });
  EXPECT_GT(reissued, 0) << "the kill hit no sampling";
  ExpectSameRun("straight", "hurt", 4);
}

TEST_F(FaultsTest, AFullDiskEndsTheRunWithAClearLineAndTheSameCommandFinishesItLater) {
  // In a mount namespace of its own, so that nothing stays mounted whatever happens to this
  // process.
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    GTEST_SKIP() << "mounting is not permitted here: " << strerror(errno);
  }
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  for (const std::string size : {"100k", "2m"}) {  // full at the start, and a few steps later
    SCOPED_TRACE(size);
    const std::string out = "full" + size;
    const fs::path disk = folder_ / out;
    fs::create_directory(disk);
    if (mount("none", disk.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) {
      GTEST_SKIP() << "mounting a tmpfs is not permitted here: " << strerror(errno);
    }
    EXPECT_EQ(Run(out), 3) << Log(out);
    EXPECT_THAT(Log(out), HasSubstr("error: cannot "));
    EXPECT_THAT(Log(out), HasSubstr("No space left on device"));
    EXPECT_THAT(Log(out), HasSubstr("hint: free some space"));

    ASSERT_EQ(mount("none", disk.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0) << strerror(errno);
    EXPECT_EQ(Run(out), 0) << Log(out);
    ExpectSameRun("straight", out);
    EXPECT_EQ(umount2(disk.c_str(), MNT_DETACH), 0) << strerror(errno);
  }
}

TEST_F(FaultsTest, FilesOfAModelThatAreCutShortAreNamed) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  for (const char* file : {"model.safetensors", "tokenizer.json", "config.json"}) {
    for (const int tenths : {0, 3, 9}) {
      const std::string name = std::string(file) + std::to_string(tenths);
      SCOPED_TRACE(name);
      const fs::path model = CopyOfModel(name);
      Cut(model / file, fs::file_size(model / file) * tenths / 10);
      EXPECT_EQ(RunCommand(name, {"generate", "--model", model.string(), "--prompt",
                                  "1+1=", "--max-tokens", "2", "--threads", "1"}),
                2);
      EXPECT_THAT(Log(name), HasSubstr("error: " + (model / file).string() + ": "));
    }
    const std::string name = std::string("no ") + file;
    SCOPED_TRACE(name);
    const fs::path model = CopyOfModel(name);
    fs::remove(model / file);
    EXPECT_EQ(RunCommand(name, {"generate", "--model", model.string(), "--prompt", "1+1="}), 3);
    EXPECT_THAT(Log(name), HasSubstr(file));
  }
}

TEST_F(FaultsTest, WeightsThatAreNotFiniteAreRefusedByBothEngines) {
  ASSERT_EQ(Run("model", {"rounds[0].steps=1", "rounds[1].steps=1"}), 0) << Log("model");
  const fs::path model = folder_ / "model/checkpoints/step-2/model";
  std::string weights = base::ReadFile(model / "model.safetensors");
  std::memset(weights.data() + weights.size() - 64, 0xFF, 64);  // NaN in fp32 and in bf16
  std::ofstream(model / "model.safetensors", std::ios::binary) << weights;
  std::ofstream(folder_ / "ids.jsonl") << R"({"id": 1, "ids": [1, 2, 3]})"
                                       << "\n";
  for (const std::string engine : {"learner", "decoder"}) {
    EXPECT_EQ(RunCommand(engine, {"score", "--engine", engine, "--model", model.string(), "--input",
                                  (folder_ / "ids.jsonl").string()}),
              5);
    EXPECT_THAT(Log(engine), HasSubstr("ids.jsonl:1: the policy's logits are not finite"));
  }
}

TEST_F(FaultsTest, ADatasetThatIsCutShortOrLacksAColumnIsNamedWithItsLine) {
  const fs::path data = folder_ / "problems.jsonl";
  const std::string row = R"({"prompt": "1+1=", "answer": "2", "completion": "2"})";
  const std::vector<std::string> use_data = {"data.generator=", "data.train=" + data.string()};
  const auto expect = [&](const std::string& name, const std::string& text,
                          const std::string& message) {
    SCOPED_TRACE(name);
    std::ofstream(data, std::ios::binary) << text;
    EXPECT_EQ(Run(name, use_data), 2) << Log(name);
    EXPECT_THAT(Log(name), HasSubstr("error: " + data.string() + message));
  };
  expect("cut", row + "\n" + row + "\n" + row.substr(0, 30), ":3: expected one JSON object a line");
  expect("garbage", "\x80\xff\x01{{\n", ":1: expected one JSON object a line");
  expect("column", row + "\n{\"prompt\": \"1+1=\"}\n", ":2: no column 'completion'");
  expect("empty", "", ": expected one JSON object a line, found none");
  fs::remove(data);
  EXPECT_EQ(Run("missing", use_data), 3) << Log("missing");
  EXPECT_THAT(Log("missing"), HasSubstr("cannot read " + data.string()));
}

}  // namespace
}  // namespace cohort
