#include "rl/fleet/rollout_workers.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <mutex>
#include <sstream>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "rollout/weight_sync/handshake.h"
#include "tests/fakes/silent_peer.h"

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
    std::string run;
    while (reader->Read(&chunk)) {
      if (chunk.has_manifest()) {
        version = chunk.manifest().policy_version();
        run = rollout::NameOf(chunk.manifest().run());
      }
      bytes += chunk.data().size();
      by_path += chunk.shared_memory_path().empty() ? 0 : 1;
    }
    if (by_path > 0 && !shares_memory) {
      by_path = 0;
      return {grpc::StatusCode::NOT_FOUND, "no such file"};
    }
    if (!answer.ok()) return answer;
    {
      const std::lock_guard lock(mutex);
      served_run = run;
    }
    served = version;
    reply->set_policy_version(reported.load() == 0 ? version : reported.load());
    return grpc::Status::OK;
  }
  grpc::Status Health(grpc::ServerContext*, const rollout::v1::HealthRequest*,
                      rollout::v1::HealthReply* reply) override {
    reply->set_policy_version(served);
    reply->set_protocol(protocol);
    reply->set_dtype(dtype);
    reply->set_numerics(numerics);
    reply->set_deterministic(deterministic);
    const std::lock_guard lock(mutex);
    reply->set_run(served_run);
    return grpc::Status::OK;
  }

  grpc::Status EndLease(grpc::ServerContext*, const rollout::v1::EndLeaseRequest* request,
                        rollout::v1::EndLeaseReply*) override {
    ended += rollout::NameOf(request->run()) == served_run ? 1 : 0;
    return grpc::Status::OK;
  }

  uint32_t protocol = rollout::kProtocol;
  std::string dtype = "F32", numerics = "fp32";
  bool deterministic = false;
  std::mutex mutex;
  std::string served_run;  // guarded
  std::atomic<int> ended{0};
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
    options_.run.set_run_id("ours");
    options_.run.set_started_ms(1);
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

TEST_F(RolloutWorkersTest, AWorkerOfAnotherRunIsLeftOutAndTheOthersServe) {
  FakeWorker taken(Address("a")), free(Address("b"));
  taken.answer = {grpc::StatusCode::FAILED_PRECONDITION, "the worker serves run theirs"};
  RolloutWorkers workers(options_);
  workers.Publish(1, Weights);
  for (int i = 0; i < 500 && workers.pool().endpoint(0).failure.empty(); ++i) {
    workers.pool().AwaitChange(std::chrono::milliseconds(20));
  }
  EXPECT_THAT(workers.pool().endpoint(0).failure, HasSubstr("serves run theirs"));
  EXPECT_EQ(free.served, 1);
}

TEST_F(RolloutWorkersTest, WhereEveryWorkerServesAnotherRunTheRunEnds) {
  FakeWorker taken(Address("a"));
  taken.answer = {grpc::StatusCode::FAILED_PRECONDITION, "the worker serves run theirs"};
  RolloutWorkers workers(options_);
  EXPECT_THAT(FaultOf(workers, ErrorCode::kUnavailable), HasSubstr("serves run theirs"));
}

TEST_F(RolloutWorkersTest, AWorkerThatOthersGaveWeightsIsGivenOursAgain) {
  FakeWorker a(Address("a"));
  RolloutWorkers workers(options_);
  workers.Publish(2, Weights);
  {
    const std::lock_guard lock(a.mutex);
    a.served_run = "theirs/1";  // under the same number
  }
  const auto ours = [&] {
    const std::lock_guard lock(a.mutex);
    return a.served_run == "ours/1";
  };
  for (int i = 0; i < 500 && !ours(); ++i) {
    workers.pool().AwaitChange(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(ours());
}

TEST_F(RolloutWorkersTest, WorkersAreFreeWhenTheRunEnds) {
  FakeWorker a(Address("a"));
  {
    RolloutWorkers workers(options_);
    workers.Publish(1, Weights);
    EXPECT_EQ(a.ended, 0);
  }
  EXPECT_EQ(a.ended, 1);
}

TEST_F(RolloutWorkersTest, AWorkerOfAnotherReleaseIsNamedAtOnce) {
  FakeWorker a(Address("a"));
  a.protocol = 0;
  RolloutWorkers workers(options_);
  EXPECT_THAT(FaultOf(workers, ErrorCode::kUnavailable),
              HasSubstr("the worker speaks version 0 of the protocol"));
}

TEST_F(RolloutWorkersTest, ADeterministicRunRefusesAWorkerThatComputesOtherwise) {
  FakeWorker a(Address("a"));
  options_.deterministic = true;
  {
    RolloutWorkers workers(options_);
    EXPECT_THAT(FaultOf(workers, ErrorCode::kUnavailable),
                HasSubstr("a worker with '--dtype float32 --deterministic'; this one has "
                          "'--dtype float32'"));
  }
  options_.dtype = policy::Dtype::kBFloat16;
  options_.numerics = kernels::Numerics::kBf16Dot;
  a.deterministic = true;
  a.dtype = "BF16";
  {
    RolloutWorkers workers(options_);
    EXPECT_THAT(FaultOf(workers, ErrorCode::kUnavailable),
                HasSubstr("'--dtype bfloat16 --round-operands --deterministic'"));
  }
  a.numerics = "bf16 dot";
  RolloutWorkers workers(options_);
  EXPECT_EQ(FaultOf(workers, ErrorCode::kUnavailable), "no error");
}

TEST_F(RolloutWorkersTest, WeightsThatAreNotFiniteAreADivergence) {
  FakeWorker a(Address("a"));
  a.answer = {grpc::StatusCode::OUT_OF_RANGE, "tensor 'w' holds NaN"};
  RolloutWorkers workers(options_);
  EXPECT_THAT(FaultOf(workers, ErrorCode::kDiverged), HasSubstr("tensor 'w' holds NaN"));
}

TEST_F(RolloutWorkersTest, AnImageThatArrivesAlteredIsSentAgainAFewTimes) {
  FakeWorker a(Address("a"));
  a.answer = {grpc::StatusCode::DATA_LOSS, "tensor 'w' does not match its checksum"};
  RolloutWorkers workers(options_);
  EXPECT_THAT(FaultOf(workers, ErrorCode::kUnavailable), HasSubstr("does not match its checksum"));
  EXPECT_EQ(a.updates, 4);
  EXPECT_GT(a.bytes, 0u) << "as bytes, where its memory was no help";
}

TEST_F(RolloutWorkersTest, APeerThatNeverAnswersIsNamedWithinTenSecondsAndGivenUpInTime) {
  const SilentPeer peer;
  options_.addresses = {peer.address()};
  options_.limits = {};
  options_.answer_deadline = std::chrono::milliseconds(9'000);
  std::ostringstream lines;
  const auto logger = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  const auto start = std::chrono::steady_clock::now();
  {
    RolloutWorkers workers(options_);
    EXPECT_THAT(FaultOf(workers, ErrorCode::kUnavailable), HasSubstr(peer.address()));
  }
  spdlog::set_default_logger(logger);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
  EXPECT_THAT(lines.str(), HasSubstr("rollout worker " + peer.address() + " has not answered for"));
}

}  // namespace
}  // namespace cohort::rl
