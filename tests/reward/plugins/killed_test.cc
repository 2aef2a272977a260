// Processes of plug-ins that somebody else kills, while they load, judge or wait.

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

// A reward that writes its process's number into a file of its own, and waits there until it is
// killed, as long as fewer than `waits` files are there.
class KilledPlugin : public testing::Test {
 protected:
  std::string Code(const std::string& at_load, const std::string& when_called) const {
    return "import os, signal, time\n"
           "def wait_to_be_killed(waits):\n"
           "  n = len(os.listdir('" +
           pids_.path().string() +
           "'))\n"
           "  if n < waits:\n"
           "    path = '" +
           pids_.path().string() +
           "/' + str(n)\n"
           "    with open(path, 'w') as f: f.write(f'{os.getpid()} {os.getppid()} ')\n"
           "    time.sleep(60)\n" +
           at_load + "\ndef reward(completion):\n  " + when_called + "\n  return 0.5\n";
  }
  std::shared_ptr<const Grader> Load(const std::string& code) {
    return MakeGrader("python", {{"path", folder_.Write("killed_reward.py", code)}});
  }
  std::string LoadError(const std::string& code, ErrorCode expected) {
    try {
      Load(code);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), expected) << error.what();
      return error.what();
    }
    return "no error";
  }
  // Sends `sent` to what writes the first `kills` files: the plug-in itself or its supervisor.
  std::jthread Killer(int kills, int sent = SIGKILL, bool supervisor = false) {
    return std::jthread([this, kills, sent, supervisor] {
      for (int n = 0; n < kills; ++n) {
        const auto deadline = steady_clock::now() + std::chrono::seconds(60);
        pid_t plugin = 0, parent = 0;
        while (plugin == 0 && steady_clock::now() < deadline) {
          std::this_thread::sleep_for(milliseconds(2));
          std::ifstream file(pids_.path() / std::to_string(n));
          if (!(file >> plugin >> parent) || file.eof()) plugin = 0;
        }
        if (plugin == 0) return;
        kill(supervisor ? parent : plugin, sent);
      }
    });
  }
  int Started() const {
    return static_cast<int>(std::distance(fs::directory_iterator(pids_.path()), {}));
  }
  static Grade ScoreOf(const Grader& grader, const std::string& completion) {
    return grader.Score(MakeSample(completion), Budget(milliseconds(20'000)));
  }

  const base::TemporaryFolder folder_, pids_;
};

TEST_F(KilledPlugin, WhileItLoadsIsStartedAgain) {
  for (const bool supervisor : {false, true}) {
    SCOPED_TRACE(supervisor ? "its supervisor was killed" : "it was killed");
    for (const auto& entry : fs::directory_iterator(pids_.path())) fs::remove(entry);
    const std::jthread killer = Killer(2, SIGKILL, supervisor);
    const auto grader = Load(Code("wait_to_be_killed(2)", "pass"));
    EXPECT_EQ(Started(), 2);
    EXPECT_EQ(ScoreOf(*grader, "x").score, 0.5);
  }
}

TEST_F(KilledPlugin, AtEveryLoadIsNoFaultOfTheUsersCodeAndHasAnEnd) {
  const std::string why =
      LoadError(Code("os.kill(os.getpid(), signal.SIGKILL)", "pass"), ErrorCode::kEnvironment);
  EXPECT_THAT(why, HasSubstr("killed_reward.py"));
  EXPECT_THAT(why, HasSubstr("signal 9 (Killed)"));
  EXPECT_THAT(why, HasSubstr("5 times in a row"));
}

TEST_F(KilledPlugin, ThatFailsByItselfIsNotStartedAgain) {
  const std::string pids = pids_.path().string();
  const std::string count = "open('" + pids + "/' + str(os.getpid()), 'w').close()\n";
  EXPECT_THAT(LoadError(Code(count + "os._exit(3)", "pass"), ErrorCode::kUsage),
              HasSubstr("status 3"));
  EXPECT_EQ(Started(), 1);
  EXPECT_THAT(LoadError(Code(count + "os.abort()", "pass"), ErrorCode::kUsage),
              HasSubstr("crashed: signal 6"));
  EXPECT_EQ(Started(), 2);
}

TEST_F(KilledPlugin, WhileItJudgesLosesNoSample) {
  for (const int signal : {SIGKILL, SIGTERM}) {
    SCOPED_TRACE(signal);
    for (const auto& entry : fs::directory_iterator(pids_.path())) fs::remove(entry);
    const auto grader = Load(Code("", "wait_to_be_killed(2)"));
    const std::jthread killer = Killer(2, signal);
    const Grade grade = ScoreOf(*grader, "x");
    EXPECT_EQ(grade.status, STATUS_OK) << grade.detail;
    EXPECT_EQ(grade.score, 0.5);
    EXPECT_EQ(Started(), 2);
  }
}

TEST_F(KilledPlugin, EachTimeThatItJudgesFailsTheSampleWithTheSignalsName) {
  const auto grader = Load(Code("", "wait_to_be_killed(9)"));
  const std::jthread killer = Killer(4);  // one that waited, and three fresh ones
  const Grade grade = ScoreOf(*grader, "x");
  EXPECT_EQ(grade.status, STATUS_MEMORY) << grade.detail;
  EXPECT_THAT(grade.detail, HasSubstr("signal 9 (Killed)"));
  EXPECT_THAT(grade.detail, HasSubstr("3 times in a row"));
  EXPECT_EQ(Started(), 4);
}

TEST_F(KilledPlugin, WhileItWaitsCostsTheNextSampleNoneOfItsTries) {
  const auto grader = Load(
      "import os, time\ndef reward(completion):\n"
      "  time.sleep(0.2)\n  return os.getpid()\n");
  std::vector<double> pids(6);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < pids.size(); ++i) {
      threads.emplace_back([&, i] { pids[i] = ScoreOf(*grader, std::to_string(i)).score; });
    }
  }
  for (const double pid : pids) kill(static_cast<pid_t>(pid), SIGKILL);
  const Grade grade = ScoreOf(*grader, "another");
  EXPECT_EQ(grade.status, STATUS_OK) << grade.detail;
  EXPECT_THAT(pids, testing::Each(testing::Ne(grade.score)));
}

}  // namespace
}  // namespace cohort::reward
