// A run leaves this for those who look at it later: its journal, replayed, and its console.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/e2e/tiny_run.h"

namespace cohort {
namespace {

using testing::HasSubstr;

using AuditTest = TinyRun;

TEST_F(AuditTest, EveryStepOfAKilledAndResumedRunIsReplayedBitForBit) {
  always_ = {"output.checkpoint_every=3"};
  {
    ChildProcess child(Command("run"), folder_ / "run.log");
    ASSERT_TRUE(WaitForRows("run", 6)) << Log("run");  // start, 2 sft, eval, 2 grpo
    child.Signal(SIGKILL);
    EXPECT_EQ(child.Wait(milliseconds(5000)), -SIGKILL);
  }
  ASSERT_EQ(Run("run"), 0) << Log("run");
  for (int step = 1; step <= 6; ++step) {
    ASSERT_EQ(RunCommand("replay", {"replay", folder_ / "run", "--step", std::to_string(step)}), 0)
        << Log("replay");
    EXPECT_THAT(Log("replay"), HasSubstr("equal, bit for bit"));
  }
  const std::string console = base::ReadFile(folder_ / "run" / "console.log");
  EXPECT_THAT(console, HasSubstr("Z cohort train "));
  EXPECT_THAT(console, HasSubstr("(starts)\n"));
  EXPECT_THAT(console, HasSubstr("round 1/2: sft, 2 steps\n"));
  EXPECT_THAT(console, HasSubstr("(goes on)\n"));
  EXPECT_THAT(console, HasSubstr("resuming after step "));
  EXPECT_THAT(console, HasSubstr("done in "));
  EXPECT_EQ(console.find('\x1b'), std::string::npos);
}

TEST_F(AuditTest, TheErrorThatEndsARunIsInItsConsoleLog) {
  ASSERT_EQ(Run("run", {"rounds[1].kind=rejection_sft", "rounds[1].min_reward=1000"}), 2)
      << Log("run");
  EXPECT_THAT(base::ReadFile(folder_ / "run" / "console.log"),
              HasSubstr("\nerror: no sampled answer reached min_reward\nhint: "));
}

TEST_F(AuditTest, AStepThatTheRunHasNotTakenIsRefused) {
  ASSERT_EQ(Run("run", {"rounds[1].steps=1", "output.journal=groups"}), 0) << Log("run");
  EXPECT_EQ(RunCommand("replay", {"replay", folder_ / "run", "--step", "9"}), 3);
  EXPECT_THAT(Log("replay"), HasSubstr("step 9 is not in the journal"));
  EXPECT_EQ(RunCommand("replay", {"replay", folder_ / "run", "--step", "3"}), 3);
  EXPECT_THAT(Log("replay"), HasSubstr("output.journal=groups"));
}

}  // namespace
}  // namespace cohort
