// Whole runs with workers and reward services that somebody started by hand: shared by runs,
// guarded by a token, silent.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>

#include "tests/e2e/tiny_run.h"
#include "tests/fakes/silent_peer.h"

namespace cohort {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

class HandStartedServices : public TinyRun {
 protected:
  HandStartedServices() {
    setenv("COHORT_CACHE", (folder_ / "cache").c_str(), 1);
    always_ = {"threads=1"};
  }
  ~HandStartedServices() override { unsetenv("COHORT_CACHE"); }

  std::unique_ptr<ChildProcess> StartWorker(const std::string& listen) {
    fs::remove(folder_ / "at");
    auto worker = std::make_unique<ChildProcess>(
        std::vector<std::string>{std::string(COHORT_BIN_DIR) + "/cohort-rollout", "--config",
                                 (folder_ / "straight/worker_config.json").string(), "--listen",
                                 listen, "--threads", "1", "--port-file",
                                 (folder_ / "at").string()},
        folder_ / "worker.log");
    for (int i = 0; i < 3000 && !fs::exists(folder_ / "at"); ++i) {
      std::this_thread::sleep_for(milliseconds(10));
    }
    address_ = base::ReadFile(folder_ / "at");
    return worker;
  }
  std::vector<std::string> Remote(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"rollout.workers=0", "rollout.addresses=['" + address_ + "']"});
    return more;
  }
  bool WaitForLog(const std::string& out, const std::string& text, seconds limit) {
    const auto end = steady_clock::now() + limit;
    while (steady_clock::now() < end) {
      if (Log(out).find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(milliseconds(50));
    }
    return false;
  }

  std::string address_;
};

TEST_F(HandStartedServices, AWorkerServesOneRunAtATimeAndIsTakenOverByTheSameRunResumed) {
  const std::vector<std::string> longer = {"rounds[1].steps=12"};
  ASSERT_EQ(Run("straight", longer), 0) << Log("straight");
  const auto worker = StartWorker("unix:" + (folder_ / "s").string());
  {
    ChildProcess first(Command("first", Remote(longer)), folder_ / "first.log");
    ASSERT_TRUE(WaitForRows("first", 4)) << Log("first");
    first.Signal(SIGSTOP);  // it lives, and its lease for a minute
    EXPECT_EQ(Run("second", Remote({"seed=4"})), 3) << Log("second");
    EXPECT_THAT(Log("second"), HasSubstr("the worker serves run "));
    EXPECT_THAT(Log("second"), HasSubstr("(process " + std::to_string(first.pid())));
    first.Signal(SIGKILL);
    first.Wait(kLimit);
  }
  EXPECT_EQ(Run("first", Remote(longer)), 0) << Log("first");
  ExpectSameSteps("straight", "first", 14);
  EXPECT_EQ(Run("second", Remote({"seed=4"})), 0) << "free at once\n" << Log("second");
}

TEST_F(HandStartedServices, AWorkerOfAnotherConfigIsRefusedByTheFieldThatDiffers) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  const fs::path config = folder_ / "straight/worker_config.json";
  Json changed = Json::parse(base::ReadFile(config));
  changed["rms_norm_eps"] = 0.25;
  std::ofstream(config) << changed.dump();
  const auto worker = StartWorker("unix:" + (folder_ / "s").string());
  EXPECT_EQ(Run("other", Remote()), 2) << Log("other");
  EXPECT_THAT(Log("other"), HasSubstr("rms_norm_eps"));
  EXPECT_THAT(Log("other"), HasSubstr("0.25"));
}

TEST_F(HandStartedServices, ATcpPortServesThoseWhoHaveItsToken) {
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  const auto worker = StartWorker("127.0.0.1:0");
  EXPECT_EQ(Run("same_user", Remote()), 0) << Log("same_user");
  const std::string place = folder_ / "cache/tokens" / address_.substr(address_.find(':') + 1);
  const std::string secret = base::ReadFile(place);
  setenv("COHORT_CACHE", (folder_ / "elsewhere").c_str(), 1);
  EXPECT_EQ(Run("stranger", Remote()), 3) << Log("stranger");
  EXPECT_THAT(Log("stranger"), HasSubstr("without this service's token"));
  EXPECT_EQ(Run("told", Remote({"rollout.token_file=" + place})), 0) << Log("told");
  EXPECT_EQ(Run("wrong", Remote({"rollout.token_file=/nowhere"})), 2) << Log("wrong");
  EXPECT_THAT(Log("wrong"), HasSubstr("/nowhere"));
  for (const std::string name : {"same_user", "stranger", "told", "worker"}) {
    EXPECT_EQ(Log(name).find(secret.substr(0, 64)), std::string::npos) << name;
  }
}

TEST_F(HandStartedServices, OfAnAdaptedPolicyWorkersTakeTheBaseOnceAndThenTheAdapters) {
  always_.push_back("rounds[1].steps=10");
  ASSERT_EQ(Run("whole"), 0) << Log("whole");
  always_.insert(always_.end(), {"lora.rank=2", "lora.targets=[q_proj, gate_proj, down_proj]"});
  ASSERT_EQ(Run("straight"), 0) << Log("straight");
  const auto published = [&](const std::string& out) {
    int64_t bytes = 0;
    for (const Json& row : Metrics(out)) bytes = row.value("publish_bytes", bytes);
    return bytes;
  };
  EXPECT_GT(published("straight"), 0);
  EXPECT_LT(2 * published("straight"), published("whole"));
  const auto worker = StartWorker("127.0.0.1:0");
  EXPECT_EQ(Run("remote", Remote()), 0) << Log("remote");
  ExpectSameSteps("straight", "remote", 12);
  {
    ChildProcess hurt(Command("hurt"), folder_ / "hurt.log");
    ASSERT_TRUE(WaitForRows("hurt", 6)) << Log("hurt");
    const pid_t local = ChildNamed("cohort-rollout", hurt.pid());
    ASSERT_GT(local, 0);
    kill(local, SIGKILL);
    EXPECT_EQ(hurt.Wait(kLimit), 0) << Log("hurt");
  }
  ExpectSameSteps("straight", "hurt", 12);
}

TEST_F(HandStartedServices, APeerThatNeverAnswersIsNamedAndSigtermIsObeyedMeanwhile) {
  const SilentPeer peer;
  const std::pair<std::string, std::vector<std::string>> kinds[] = {
      {"rollout worker", {"rollout.workers=0", "rollout.addresses=['" + peer.address() + "']"}},
      {"reward service",
       {"rollout.reward_services=0", "rollout.reward_addresses=['" + peer.address() + "']"}}};
  for (const auto& [kind, overrides] : kinds) {
    const std::string out = kind.substr(0, 6);
    ChildProcess run(Command(out, overrides), folder_ / (out + ".log"));
    EXPECT_TRUE(WaitForLog(out, kind + " " + peer.address() + " has not answered for", seconds(20)))
        << Log(out);
    run.Signal(SIGTERM);
    const auto start = steady_clock::now();
    EXPECT_EQ(run.Wait(milliseconds(20'000)), 4) << Log(out);
    EXPECT_LT(steady_clock::now() - start, seconds(10));
  }
}

}  // namespace
}  // namespace cohort
