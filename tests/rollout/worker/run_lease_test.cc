#include "rollout/worker/run_lease.h"

#include <gmock/gmock.h>

namespace cohort::rollout {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

v1::RunStart Start(const std::string& run_id, int64_t started_ms) {
  v1::RunStart start;
  start.set_run_id(run_id);
  start.set_started_ms(started_ms);
  start.set_host("a-host");
  start.set_pid(4711);
  return start;
}

class RunLeaseTest : public testing::Test {
 protected:
  RunLease::Clock::time_point now_{};
  RunLease lease_{[this] { return now_; }};
};

TEST_F(RunLeaseTest, AnotherRunIsToldWhoHoldsTheWorkerAndUntilWhen) {
  ASSERT_TRUE(lease_.Take(Start("one", 1)).ok());
  now_ += 20s;
  const grpc::Status refused = lease_.Take(Start("two", 2));
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("run one (process 4711 on a-host)"));
  EXPECT_THAT(refused.error_message(), HasSubstr("40 s more"));
}

TEST_F(RunLeaseTest, EverySignOfLifeOfTheHolderRenewsIt) {
  ASSERT_TRUE(lease_.Take(Start("one", 1)).ok());
  for (int i = 0; i < 5; ++i) {
    now_ += 50s;
    lease_.Renew(Start("one", 1));
    lease_.Renew(Start("two", 2));
    EXPECT_FALSE(lease_.Take(Start("two", 2)).ok());
  }
  now_ += 59s;
  EXPECT_FALSE(lease_.Take(Start("two", 2)).ok());
  now_ += 1s;
  EXPECT_TRUE(lease_.Take(Start("two", 2)).ok()) << "no sign of life for a minute";
  EXPECT_FALSE(lease_.Take(Start("one", 1)).ok());
}

TEST_F(RunLeaseTest, AResumedRunTakesItOverAndItsOlderStartDoesNotTakeItBack) {
  ASSERT_TRUE(lease_.Take(Start("one", 1)).ok());
  EXPECT_TRUE(lease_.Take(Start("one", 5)).ok());
  const grpc::Status refused = lease_.Take(Start("one", 1));
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("a later start of the same run"));
}

TEST_F(RunLeaseTest, IsFreeAtOnceWhenItsHolderEndsIt) {
  ASSERT_TRUE(lease_.Take(Start("one", 1)).ok());
  lease_.End(Start("two", 2));
  EXPECT_FALSE(lease_.Take(Start("two", 2)).ok()) << "not its own to end";
  lease_.End(Start("one", 1));
  EXPECT_TRUE(lease_.Take(Start("two", 2)).ok());
}

TEST_F(RunLeaseTest, APublisherThatNamesNoRunIsRefused) {
  EXPECT_EQ(lease_.Take({}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace cohort::rollout
