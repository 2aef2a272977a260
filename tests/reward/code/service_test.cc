// Programs judged by the service: over RPC, and when the service is killed in the middle.

#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "tests/reward/client.h"
#include "tests/reward/code/judge_case.h"
#include "tests/reward/running_service.h"

namespace cohort::reward::judge {
namespace {

using std::chrono::milliseconds;

// All processes that descend from `root`, with their start times: "PID START".
std::set<std::string> Descendants(pid_t root) {
  std::map<pid_t, std::pair<pid_t, std::string>> parents;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid == 0) continue;
    std::ifstream file(entry.path() / "stat");
    std::string stat((std::istreambuf_iterator<char>(file)), {});
    const size_t close = stat.rfind(')');
    if (close == std::string::npos) continue;
    std::istringstream fields(stat.substr(close + 2));
    std::string field, state, start;
    pid_t parent = 0;
    fields >> state >> parent;
    for (int i = 5; i <= 22; ++i) fields >> start;
    parents[pid] = {parent, start};
  }
  std::set<std::string> found;
  for (const auto& [pid, own] : parents) {
    pid_t up = own.first;
    for (int depth = 0; depth < 32 && up > 1 && up != root; ++depth) up = parents[up].first;
    if (up == root) found.insert(std::to_string(pid) + " " + own.second);
  }
  return found;
}

bool AnyAlive(const std::set<std::string>& processes) {
  for (const std::string& process : processes) {
    std::ifstream file("/proc/" + process.substr(0, process.find(' ')) + "/stat");
    const std::string stat((std::istreambuf_iterator<char>(file)), {});
    if (stat.find(" " + process.substr(process.find(' ') + 1) + " ") != std::string::npos)
      return true;
  }
  return false;
}

ScoreRequest RequestOf(const std::vector<std::string>& programs, const Json& columns) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("code");
  for (size_t i = 0; i < programs.size(); ++i) {
    AddSample(&request, i + 1, Fenced(programs[i]));
    request.mutable_samples(static_cast<int>(i))->set_columns_json(columns.dump());
  }
  request.set_sample_deadline_ms(60'000);
  return request;
}

TEST(CodeService, JudgesOverRpcWithItsTestsCounted) {
  SKIP_WITHOUT_SANDBOX();
  RunningService service({"--workers", "2"});
  const auto reply =
      Client(service.address())
          .Score(RequestOf({"print(3)", "print(4)", "while True: pass"},
                           WithLimits(StdinTests({{"", "3\n"}}), {{"cpu_ms", 300}})));
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.verdicts.at(1).score(), 1);
  EXPECT_EQ(reply.verdicts.at(2).score(), 0);
  EXPECT_EQ(reply.verdicts.at(2).components(0).tests().verdict(), "wrong_answer");
  EXPECT_EQ(reply.verdicts.at(3).components(0).tests().verdict(), "time_limit");
  EXPECT_EQ(reply.verdicts.at(3).components(0).tests().total(), 1u);
}

TEST(CodeService, EveryBoxDiesWithAServiceThatIsKilled) {
  SKIP_WITHOUT_SANDBOX();
  RunningService service({"--workers", "2"});
  const Json columns =
      WithLimits(StdinTests({{"", "3\n"}}), {{"wall_ms", 60'000}, {"cpu_ms", 60'000}});
  const std::string sleeper =
      "import os, time\nos.fork()\nos.setsid() if os.fork() == 0 else None\ntime.sleep(600)";
  std::jthread caller([&] {
    Client(service.address()).Score(RequestOf({sleeper, "while True: pass"}, columns));
  });
  std::set<std::string> boxes;
  for (int i = 0; i < 1000 && boxes.size() < 8; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
    boxes = Descendants(service.process().pid());
  }
  ASSERT_GE(boxes.size(), 8u) << "two boxes and what runs in them";
  service.process().Signal(SIGKILL);
  for (int i = 0; i < 1000 && AnyAlive(boxes); ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_FALSE(AnyAlive(boxes));
}

TEST(CodeService, ACancelledCallStopsItsPrograms) {
  SKIP_WITHOUT_SANDBOX();
  RunningService service({"--workers", "2"});
  const Json columns =
      WithLimits(StdinTests({{"", "3\n"}}), {{"wall_ms", 60'000}, {"cpu_ms", 60'000}});
  Client client(service.address());
  client.Score(RequestOf({"import time\ntime.sleep(600)"}, columns), 1000);
  const auto sleepers = [&] {
    int count = 0;
    for (const std::string& process : Descendants(service.process().pid())) {
      std::ifstream file("/proc/" + process.substr(0, process.find(' ')) + "/cmdline");
      const std::string command((std::istreambuf_iterator<char>(file)), {});
      count += command.find("solution.py") != std::string::npos;
    }
    return count;
  };
  for (int i = 0; i < 500 && sleepers() > 0; ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(sleepers(), 0);
}

}  // namespace
}  // namespace cohort::reward::judge
