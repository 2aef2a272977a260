// The peaks of memory that `cohort plan` tells of a recipe, beside those that the system measured.

#include <gtest/gtest.h>

#include <map>

#include "tests/e2e/tiny_run.h"

namespace cohort {
namespace {

// VmHWM, in bytes, by the key of the plan.
using Peaks = std::map<std::string, double>;

double PeakOf(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  std::string word;
  while (status >> word) {
    if (word != "VmHWM:") continue;
    double kilobytes = 0;
    status >> kilobytes;
    return 1024 * kilobytes;
  }
  return 0;
}

class PlannedMemory : public TinyRun {
 protected:
  // Most of it are a model, its reference and the activations of 2,000 tokens, not programs.
  PlannedMemory() {
    always_ = {"model.scratch.layers=8",
               "model.scratch.width=256",
               "model.scratch.heads=4",
               "model.scratch.ffn_width=1536",
               "model.scratch.expert_width=512",
               "rollout.max_new_tokens=16",
               "rounds[0].steps=1",
               "rounds[1].steps=2",
               "rounds[1].prompts_per_step=32",
               "rounds[1].group_size=8"};
  }

  Peaks Planned() {
    std::vector<std::string> command = {"plan", "--recipe", folder_ / "tiny.yaml", "--json"};
    command.insert(command.end(), always_.begin(), always_.end());
    EXPECT_EQ(RunCommand("plan", command), 0) << Log("plan");
    const Json plan = Json::parse(Log("plan"));
    Peaks peaks;
    for (const char* key : {"run_learner_bytes", "run_worker_bytes", "run_rewards_bytes"}) {
      peaks[key] = plan.at(key).get<double>();
    }
    return peaks;
  }

  Peaks Measured() {
    ChildProcess learner(Command("run"), folder_ / "run.log");
    Peaks peaks;
    const auto end = std::chrono::steady_clock::now() + kLimit;
    while (learner.Running() && std::chrono::steady_clock::now() < end) {
      const auto see = [&](const char* key, pid_t process) {
        if (process > 0) peaks[key] = std::max(peaks[key], PeakOf(process));
      };
      see("run_learner_bytes", learner.pid());
      see("run_worker_bytes", ChildNamed("cohort-rollout", learner.pid()));
      see("run_rewards_bytes", ChildNamed("cohort-reward", learner.pid()));
      std::this_thread::sleep_for(milliseconds(20));
    }
    EXPECT_EQ(learner.Wait(milliseconds(0)), 0) << Log("run");
    return peaks;
  }

  void ExpectPlanned() {
    const Peaks planned = Planned();
    for (const auto& [key, measured] : Measured()) {
      EXPECT_NEAR(planned.at(key), measured, 0.1 * measured) << key;
    }
  }
};

TEST_F(PlannedMemory, IsWithinATenthOfThePeakOfEachProcess) { ExpectPlanned(); }

}  // namespace
}  // namespace cohort
