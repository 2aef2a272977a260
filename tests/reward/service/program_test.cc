// The program cohort-reward as a launcher sees it: address file, signals, exit codes, libraries.

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/reward/client.h"
#include "tests/reward/process_watch.h"
#include "tests/reward/running_service.h"

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

std::string OutputOf(const std::string& command, int* status = nullptr) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::string output;
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) output.append(buffer, got);
  const int ended = pclose(pipe);
  if (status != nullptr) *status = WEXITSTATUS(ended);
  return output;
}

TEST(RewardProgram, WritesItsAddressServesAndEndsOnSigterm) {
  RunningService program;
  ASSERT_THAT(program.address(), testing::MatchesRegex("127\\.0\\.0\\.1:[0-9]+"));
  ScoreRequest request;
  *request.add_terms() = MakeTerm("last_number");
  AddSample(&request, 1, "5", "5");
  EXPECT_EQ(Client(program.address()).Score(request).verdicts.at(1).score(), 1);
  program.process().Signal(SIGTERM);
  EXPECT_EQ(program.process().Wait(milliseconds(20'000)), 0);
}

TEST(RewardProgram, HasAGraderForEachCoreUnlessToldOtherwise) {
  const auto log_of = [](const std::vector<std::string>& arguments) {
    RunningService program(arguments);
    program.process().Signal(SIGTERM);  // the line is written by the time that it has ended
    program.process().Wait(milliseconds(20'000));
    return program.log();
  };
  const std::string all = std::to_string(std::thread::hardware_concurrency());
  EXPECT_THAT(log_of({}), HasSubstr(" with " + all + " graders"));
  EXPECT_THAT(log_of({"--workers", "0"}), HasSubstr(" with " + all + " graders"));
  EXPECT_THAT(log_of({"--workers", "5"}), HasSubstr(" with 5 graders"));
}

TEST(RewardProgram, FinishesRunningCallsBeforeItEnds) {
  RunningService program;
  ScoreRequest request;
  *request.add_terms() = MakeTerm("custom", 1, {{"path", TestPlugin("misbehaves")}});
  request.set_sample_deadline_ms(1500);
  AddSample(&request, 1, "hang");
  AddSample(&request, 2, "fine");
  Client::Reply reply;
  std::jthread caller([&] { reply = Client(program.address()).Score(request); });
  std::this_thread::sleep_for(milliseconds(700));
  program.process().Signal(SIGTERM);
  EXPECT_EQ(program.process().Wait(milliseconds(20'000)), 0);
  caller.join();
  EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.verdicts.at(1).status(), STATUS_TIMEOUT);
  EXPECT_EQ(reply.verdicts.at(2).score(), 1);
}

TEST(RewardProgram, ItsPluginProcessesDieWithItEvenWhenItIsKilled) {
  const std::filesystem::path copy =
      testing::TempDir() + "orphan_" + std::to_string(getpid()) + ".so";
  std::filesystem::copy_file(TestPlugin("misbehaves"), copy);
  RunningService program;
  ScoreRequest request;
  *request.add_terms() = MakeTerm("custom", 1, {{"path", copy.string()}});
  request.set_sample_deadline_ms(60'000);
  AddSample(&request, 1, "hang");
  std::jthread caller([&] { Client(program.address()).Score(request); });
  const auto hosts = [&] { return CountProcesses(copy.filename()).in_plugin_hosts; };
  for (int i = 0; i < 1000 && hosts() < 3; ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(hosts(), 3) << "the supervisor, the plug-in and what it forked";
  program.process().Signal(SIGKILL);
  for (int i = 0; i < 1000 && hosts() > 0; ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(hosts(), 0);
  std::filesystem::remove(copy);
}

TEST(RewardProgram, EndsWith3WhenThePortIsTaken) {
  RunningService program;
  int status = 0;
  const std::string output = OutputOf(kProgram + " --listen " + program.address(), &status);
  EXPECT_EQ(status, 3);
  EXPECT_THAT(output, HasSubstr("error: cannot listen on " + program.address()));
}

TEST(RewardProgram, EndsWith2OnBadUsageAndExplainsItself) {
  int status = 0;
  EXPECT_THAT(OutputOf(kProgram + " --listen 0.0.0.0:0", &status), HasSubstr("--insecure-listen"));
  EXPECT_EQ(status, 2);
  OutputOf(kProgram + " --no-such-flag", &status);
  EXPECT_EQ(status, 2);
  EXPECT_THAT(OutputOf(kProgram + " --help", &status), HasSubstr("Example:"));
  EXPECT_EQ(status, 0);
}

TEST(RewardProgram, LinksNoLibTorch) {
  for (const char* program : {"/cohort-reward", "/cohort-plugin-host"}) {
    const std::string libraries = OutputOf("ldd " + std::string(COHORT_BIN_DIR) + program);
    ASSERT_THAT(libraries, HasSubstr("libstdc++")) << "ldd no longer lists libraries";
    EXPECT_THAT(libraries, Not(HasSubstr("libtorch")));
    EXPECT_THAT(libraries, Not(HasSubstr("libc10")));
  }
}

}  // namespace
}  // namespace cohort::reward
