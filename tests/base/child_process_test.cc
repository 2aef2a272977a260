#include "base/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "base/error.h"

namespace cohort::base {
namespace {

using std::chrono::milliseconds;

TEST(ChildProcess, ReportsTheExitStatus) {
  ChildProcess child({"/bin/sh", "-c", "exit 7"});
  EXPECT_EQ(child.Wait(milliseconds(5000)), 7);
  EXPECT_FALSE(child.Running());
}

TEST(ChildProcess, ReportsTheSignalThatKilledIt) {
  ChildProcess child({"/bin/sleep", "30"});
  child.Signal(SIGKILL);
  EXPECT_EQ(child.Wait(milliseconds(5000)), -SIGKILL);
}

TEST(ChildProcess, WaitGivesUpAtItsLimit) {
  ChildProcess child({"/bin/sleep", "30"});
  EXPECT_EQ(child.Wait(milliseconds(30)), std::nullopt);
}

TEST(ChildProcess, StopKillsAProcessThatIgnoresSigterm) {
  ChildProcess child({"/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"});
  std::this_thread::sleep_for(milliseconds(100));
  child.Stop(milliseconds(100));
  EXPECT_FALSE(child.Running());
}

TEST(ChildProcess, DestructionLeavesNoProcessBehind) {
  pid_t pid = 0;
  {
    ChildProcess child({"/bin/sleep", "30"});
    pid = child.pid();
  }
  EXPECT_EQ(kill(pid, 0), -1) << "the child was neither killed nor reaped";
}

TEST(ChildProcess, AMissingProgramIsAnEnvironmentErrorThatNamesIt) {
  try {
    ChildProcess child({"/no/such/program"});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_NE(std::string(error.what()).find("/no/such/program"), std::string::npos);
  }
}

}  // namespace
}  // namespace cohort::base
