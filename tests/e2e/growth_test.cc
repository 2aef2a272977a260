// A run of many steps, whose processes must not grow.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

#include "tests/e2e/tiny_run.h"

namespace cohort {
namespace {

// The memory of a process that no other has, in KiB; 0 where there is none.
int64_t OwnMemory(pid_t pid) {
  std::ifstream smaps("/proc/" + std::to_string(pid) + "/smaps_rollup");
  int64_t own = 0;
  for (std::string word; smaps >> word;) {
    if (word != "Private_Clean:" && word != "Private_Dirty:") continue;
    int64_t kib = 0;
    smaps >> kib;
    own += kib;
  }
  return own;
}

class GrowthTest : public TinyRun {
 protected:
  // Of each program of the run.
  std::map<std::string, int64_t> Memory(pid_t learner) {
    std::map<std::string, int64_t> memory = {{"cohort", OwnMemory(learner)}};
    for (const char* name : {"cohort-rollout", "cohort-reward"}) {
      memory[name] = OwnMemory(ChildNamed(name, learner));
    }
    return memory;
  }
};

// What a step leaves behind is counted in bytes a step, so that a machine of another page size or
// allocator passes too: 1 KiB is the journal's index and some rounding.
TEST_F(GrowthTest, AThousandStepsTakeNoMoreMemoryThanTwoHundred) {
  constexpr int64_t kWarm = 200, kSteps = 1'000, kGrowthKib = 4'096;
  ChildProcess child(
      Command("long",
              {"rounds[0].steps=1", "rounds[1].steps=" + std::to_string(kSteps + 50),
               "rounds[1].prompts_per_step=2", "rounds[1].group_size=2",
               "rounds[1].updates_per_step=1", "rollout.max_new_tokens=4", "eval.problems=0",
               "output.samples_every=1000", "output.checkpoint_every=100"}),
      folder_ / "long.log");
  const auto reaches = [&](int64_t rows) {
    for (int i = 0; i < 90'000 && child.Running() && Rows("long") < rows; ++i) {
      std::this_thread::sleep_for(milliseconds(10));
    }
    return Rows("long") >= rows;
  };
  ASSERT_TRUE(reaches(kWarm)) << Log("long");
  const auto warm = Memory(child.pid());
  ASSERT_TRUE(reaches(kSteps)) << Log("long");
  const auto later = Memory(child.pid());
  for (const auto& [name, kib] : warm) {
    ASSERT_GT(kib, 0) << name;
    RecordProperty(name + "_kib", std::to_string(kib) + " to " + std::to_string(later.at(name)));
    EXPECT_LT(later.at(name), kib + kGrowthKib) << name << " after " << kWarm << " steps: " << kib;
  }
  child.Signal(SIGTERM);
  child.Wait(kLimit);
}

// A variable of a process as it was started.
std::string Variable(pid_t pid, const std::string& name) {
  std::ifstream environment("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
  for (std::string entry; std::getline(environment, entry, '\0');) {
    if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
  }
  return "";
}

TEST_F(GrowthTest, IdleThreadsOfARunLeaveTheCoresToOthersUnlessAskedToSpin) {
  unsetenv("OMP_WAIT_POLICY");
  for (const std::string wanted : {"", "active"}) {
    if (!wanted.empty()) setenv("OMP_WAIT_POLICY", wanted.c_str(), 1);
    const std::string out = "run" + wanted;
    ChildProcess child(Command(out, {"rounds[1].steps=50"}), folder_ / (out + ".log"));
    ASSERT_TRUE(WaitForRows(out, 1)) << Log(out);
    EXPECT_EQ(Variable(child.pid(), "OMP_WAIT_POLICY"), wanted.empty() ? "passive" : wanted);
    EXPECT_GT(ChildNamed("cohort-rollout", child.pid()), 0);
    child.Signal(SIGTERM);
    EXPECT_EQ(child.Wait(kLimit), 4) << Log(out);
  }
  unsetenv("OMP_WAIT_POLICY");
}

}  // namespace
}  // namespace cohort
