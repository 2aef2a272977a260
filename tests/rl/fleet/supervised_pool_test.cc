#include "rl/fleet/supervised_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "base/error.h"

namespace cohort::rl {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// A service whose health a test scripts; nothing listens.
class FakeKind final : public ServiceKind {
 public:
  grpc::Status AskHealth(const Channel&, CancellableCalls&, milliseconds,
                         Heartbeat* heartbeat) override {
    ++asked;
    if (!answers) return {grpc::StatusCode::UNAVAILABLE, "nobody there"};
    heartbeat->busy = busy;
    heartbeat->progress = moves ? ++progress : progress.load();
    heartbeat->version = served_version;
    return grpc::Status::OK;
  }
  int64_t wanted_version() const override { return wanted; }
  std::optional<int64_t> Update(const std::string&, const Channel&, const std::string&,
                                CancellableCalls&) override {
    ++updates;
    if (!takes_updates) return std::nullopt;
    served_version = wanted.load();
    return wanted.load();
  }

  std::atomic<bool> answers{true}, busy{false}, moves{true}, takes_updates{true};
  std::atomic<int> asked{0}, updates{0};
  std::atomic<uint64_t> progress{0};
  std::atomic<int64_t> wanted{0}, served_version{0};
};

template <class Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest() {
    options_.name = "fake";
    options_.remote_name = "fake service";
    options_.log_folder = folder_.path();
    options_.limits.heartbeat = milliseconds(20);
    options_.limits.silence_limit = milliseconds(150);
    options_.limits.progress_limit = milliseconds(300);
    options_.limits.start_deadline = milliseconds(10'000);
  }

  // A local process: writes its port file, appends a line to `starts` and does `then`.
  void RunLocally(const std::string& then) {
    options_.num_local = 1;
    options_.command = {"/bin/sh", "-c",
                        "echo started >> " + Starts() + "; echo unix:/nowhere > \"$4\"; " + then,
                        "sh"};
  }
  std::string Starts() const { return (folder_.path() / "starts").string(); }
  int CountStarts() const {
    std::ifstream in(Starts());
    int lines = 0;
    for (std::string line; std::getline(in, line);) ++lines;
    return lines;
  }

  base::TemporaryFolder folder_;
  FakeKind kind_;
  SupervisedPoolOptions options_;
};

TEST_F(SupervisorTest, ALocalProcessIsReadyOnceItAnswers) {
  RunLocally("sleep 100");
  SupervisedPool pool(options_, kind_);
  pool.AwaitLocal();
  EXPECT_TRUE(Eventually([&] { return pool.endpoint(0).ready; }));
  EXPECT_EQ(pool.restarts(), 0u);
}

TEST_F(SupervisorTest, AProcessThatEndsAfterItServedIsStartedAgain) {
  RunLocally("sleep 0.3");
  SupervisedPool pool(options_, kind_);
  pool.AwaitLocal();
  const uint64_t first = pool.endpoint(0).incarnation;
  EXPECT_TRUE(Eventually([&] { return pool.restarts() >= 1; }));
  EXPECT_TRUE(Eventually([&] { return pool.endpoint(0).incarnation > first; }));
  EXPECT_TRUE(Eventually([&] { return CountStarts() >= 2; }));
}

TEST_F(SupervisorTest, AProcessThatLeavesBeforeItServedIsGivenUpWithTheEndOfItsLog) {
  options_.num_local = 1;
  options_.command = {"/bin/sh", "-c", "echo the port is taken; exit 3", "sh"};
  SupervisedPool pool(options_, kind_);
  try {
    pool.AwaitLocal();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_THAT(error.what(), HasSubstr("fake-0 ended with status 3 before it served"));
    EXPECT_THAT(error.what(), HasSubstr("the port is taken"));
  }
}

TEST_F(SupervisorTest, AProcessThatDiesTooOftenIsGivenUp) {
  RunLocally("sleep 0.1");
  options_.limits.max_restarts_per_minute = 2;
  SupervisedPool pool(options_, kind_);
  ASSERT_TRUE(Eventually([&] { return !pool.endpoint(0).failure.empty(); }));
  EXPECT_THAT(pool.endpoint(0).failure, HasSubstr("fake-0 died 3 times within a minute"));
}

TEST_F(SupervisorTest, ASilentProcessIsEndedAndStartedAgain) {
  RunLocally("sleep 100");
  SupervisedPool pool(options_, kind_);
  pool.AwaitLocal();
  kind_.answers = false;
  ASSERT_TRUE(Eventually([&] { return pool.restarts() >= 1; }));
  kind_.answers = true;
  EXPECT_TRUE(Eventually([&] { return pool.endpoint(0).ready; }));
}

TEST_F(SupervisorTest, ABusyProcessWithoutProgressIsEnded) {
  RunLocally("sleep 100");
  SupervisedPool pool(options_, kind_);
  pool.AwaitLocal();
  kind_.busy = true;
  std::this_thread::sleep_for(milliseconds(600));
  EXPECT_EQ(pool.restarts(), 0u) << "it moves";
  kind_.moves = false;
  EXPECT_TRUE(Eventually([&] { return pool.restarts() >= 1; }));
}

TEST_F(SupervisorTest, ARemoteServiceThatIsSilentIsNotReadyAndComesBackUnderANewIncarnation) {
  options_.addresses = {"127.0.0.1:1"};
  SupervisedPool pool(options_, kind_);
  ASSERT_TRUE(Eventually([&] { return pool.endpoint(0).ready; }));
  const uint64_t first = pool.endpoint(0).incarnation;
  kind_.answers = false;
  ASSERT_TRUE(Eventually([&] { return !pool.endpoint(0).ready; }));
  ASSERT_TRUE(Eventually([&] { return pool.endpoint(0).incarnation > first; }))
      << "calls to a hung service are given up";
  kind_.answers = true;
  EXPECT_TRUE(Eventually([&] { return pool.endpoint(0).ready; }));
  EXPECT_EQ(pool.restarts(), 0u);
}

TEST_F(SupervisorTest, AServiceIsBroughtUpToDateBeforeItIsReady) {
  options_.addresses = {"127.0.0.1:1"};
  kind_.wanted = 5;
  kind_.takes_updates = false;
  SupervisedPool pool(options_, kind_);
  ASSERT_TRUE(Eventually([&] { return kind_.updates >= 2; })) << "tried again";
  EXPECT_FALSE(pool.endpoint(0).ready);
  kind_.takes_updates = true;
  EXPECT_TRUE(Eventually([&] { return pool.endpoint(0).ready; }));
}

TEST_F(SupervisorTest, AServiceThatOthersRestartedIsUpdatedAgain) {
  options_.addresses = {"127.0.0.1:1"};
  kind_.wanted = 5;
  SupervisedPool pool(options_, kind_);
  ASSERT_TRUE(Eventually([&] { return pool.endpoint(0).ready; }));
  const int updates = kind_.updates;
  kind_.served_version = 0;
  EXPECT_TRUE(Eventually([&] { return kind_.updates > updates; }));
  EXPECT_TRUE(Eventually([&] { return pool.endpoint(0).ready; }));
}

TEST_F(SupervisorTest, ABrokenCallIsLookedAtBeforeTheNextHeartbeat) {
  options_.addresses = {"127.0.0.1:1"};
  options_.limits.heartbeat = milliseconds(60'000);
  SupervisedPool pool(options_, kind_);
  ASSERT_TRUE(Eventually([&] { return pool.endpoint(0).ready; }));
  const int asked = kind_.asked;
  pool.ReportBroken(0);
  EXPECT_TRUE(Eventually([&] { return kind_.asked > asked; }));
}

}  // namespace
}  // namespace cohort::rl
