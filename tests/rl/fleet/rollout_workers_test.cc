#include "rl/fleet/rollout_workers.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "base/temporary_folder.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;

// A worker that takes weights as a test wants it to.
class FakeWorker final : public rollout::v1::Rollout::Service {
 public:
  explicit FakeWorker(const std::string& address) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeWorker() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::Status UpdateWeights(grpc::ServerContext*,
                             grpc::ServerReader<rollout::v1::WeightChunk>* reader,
                             rollout::v1::UpdateWeightsReply* reply) override {
    ++updates;
    rollout::v1::WeightChunk chunk;
    int64_t version = 0;
    while (reader->Read(&chunk)) {
      if (chunk.has_manifest()) version = chunk.manifest().policy_version();
      bytes += chunk.data().size();
      by_path += chunk.shared_memory_path().empty() ? 0 : 1;
    }
    if (by_path > 0 && !shares_memory) {
      by_path = 0;
      return {grpc::StatusCode::NOT_FOUND, "no such file"};
    }
    if (!answer.ok()) return answer;
    served = version;
    reply->set_policy_version(reported.load() == 0 ? version : reported.load());
    return grpc::Status::OK;
  }
  grpc::Status Health(grpc::ServerContext*, const rollout::v1::HealthRequest*,
                      rollout::v1::HealthReply* reply) override {
    reply->set_policy_version(served);
    return grpc::Status::OK;
  }

  grpc::Status answer;        // set before the worker is used
  bool shares_memory = true;  // the same
  std::atomic<int64_t> reported{0};
  std::atomic<int64_t> served{0};
  std::atomic<int> updates{0}, by_path{0};
  std::atomic<uint64_t> bytes{0};

 private:
  std::unique_ptr<grpc::Server> server_;
};

class RolloutWorkersTest : public testing::Test {
 protected:
  RolloutWorkersTest() {
    options_.num_local = 0;
    options_.log_folder = folder_.path();
    options_.limits.heartbeat = std::chrono::milliseconds(50);
    options_.publish_deadline = std::chrono::milliseconds(10'000);
  }
  std::string Address(const std::string& name) {
    options_.addresses.push_back("unix:" + (folder_.path() / name).string());
    return options_.addresses.back();
  }
  static policy::WeightMap Weights() { return {{"w", at::arange(6, at::kFloat)}}; }
  std::string FaultOf(RolloutWorkers& workers, ErrorCode code) {
    try {
      workers.Publish(1, Weights);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "no error";
  }

  base::TemporaryFolder folder_;
  RolloutWorkersOptions options_;
};

TEST_F(RolloutWorkersTest, EveryWorkerServesWhatWasPublished) {
  FakeWorker a(Address("a")), b(Address("b"));
  RolloutWorkers workers(options_);
  EXPECT_EQ(workers.published_version(), 0);
  workers.Publish(7, Weights);
  EXPECT_EQ(workers.published_version(), 7);
  EXPECT_GE(std::max(a.served.load(), b.served.load()), 7);
  for (int i = 0; i < 500 && (a.served != 7 || b.served != 7); ++i) {
    workers.pool().AwaitChange(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(a.served, 7);
  EXPECT_EQ(b.served, 7);
}

TEST_F(RolloutWorkersTest, APublishedVersionIsNotBuiltAgain) {
  FakeWorker a(Address("a"));
  RolloutWorkers workers(options_);
  workers.Publish(1, Weights);
  workers.Publish(1, []() -> policy::WeightMap {
    ADD_FAILURE() << "nothing has changed";
    return {};
  });
}

TEST_F(RolloutWorkersTest, AWorkerWithoutOurMemoryGetsTheWeightsAsBytes) {
  FakeWorker a(Address("a"));
  a.shares_memory = false;
  RolloutWorkers workers(options_);
  workers.Publish(1, Weights);
  EXPECT_EQ(a.served, 1);
  EXPECT_GE(a.bytes, 6 * sizeof(float));
}

TEST_F(RolloutWorkersTest, AWorkerThatRefusesTheWeightsEndsTheRunWithItsReason) {
  FakeWorker a(Address("a"));
  a.answer = {grpc::StatusCode::INVALID_ARGUMENT, "w has another shape"};
  RolloutWorkers workers(options_);
  EXPECT_THAT(FaultOf(workers, ErrorCode::kUsage), HasSubstr("refuses the weights: w has another"));
}

TEST_F(RolloutWorkersTest, AWorkerThatReportsAnotherVersionHasNotTakenThem) {
  FakeWorker liar(Address("a"));
  liar.reported = 99;
  options_.publish_deadline = std::chrono::milliseconds(500);
  RolloutWorkers workers(options_);
  EXPECT_THAT(FaultOf(workers, ErrorCode::kUnavailable),
              HasSubstr("the worker reports another version than was sent"));
}

TEST_F(RolloutWorkersTest, WhenNobodyAnswersThePublishHasAnEnd) {
  Address("nobody");
  options_.publish_deadline = std::chrono::milliseconds(300);
  RolloutWorkers workers(options_);
  EXPECT_THAT(FaultOf(workers, ErrorCode::kUnavailable),
              HasSubstr("no worker took weights version 1 in time"));
}

TEST_F(RolloutWorkersTest, AWorkerThatForgotTheWeightsGetsThemAgain) {
  FakeWorker a(Address("a"));
  RolloutWorkers workers(options_);
  workers.Publish(2, Weights);
  a.served = 0;  // as after a restart by others
  for (int i = 0; i < 500 && a.served != 2; ++i) {
    workers.pool().AwaitChange(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(a.served, 2);
}

}  // namespace
}  // namespace cohort::rl
