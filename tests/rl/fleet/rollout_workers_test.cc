#include "rl/fleet/rollout_workers.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "rollout/weight_sync/handshake.h"
#include "rollout/weight_sync/shared_image.h"
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
    rollout::v1::WeightManifest manifest;
    int64_t version = 0;
    std::string run, path;
    while (reader->Read(&chunk)) {
      if (chunk.has_manifest()) {
        manifest = chunk.manifest();
        version = manifest.policy_version();
        run = rollout::NameOf(manifest.run());
        path = chunk.shared_memory_path();
      }
      bytes += chunk.data().size();
      by_path += chunk.shared_memory_path().empty() ? 0 : 1;
    }
    if (by_path > 0 && !shares_memory) {
      by_path = 0;
      return {grpc::StatusCode::NOT_FOUND, "no such file"};
    }
    if (!answer.ok()) return answer;
    const bool adapters = manifest.content() == rollout::v1::WEIGHT_CONTENT_ADAPTERS;
    if (adapters && manifest.base_checksum() != base) {
      return {grpc::StatusCode::ABORTED, "no base"};
    }
    if (manifest.content() == rollout::v1::WEIGHT_CONTENT_BASE) {
      ++bases;
      base = manifest.base_checksum();
      reply->set_policy_version(version);
      return grpc::Status::OK;
    }
    if (on_path) on_path(path, manifest.total_bytes());
    {
      const std::lock_guard lock(mutex);
      served_run = run;
      paths.push_back(path);
      last = manifest;
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
  std::string served_run;  // guarded, as the next two
  std::vector<std::string> paths;
  rollout::v1::WeightManifest last;
  std::atomic<uint64_t> base{0};
  std::atomic<int> bases{0};
  // Set before the worker is used.
  std::function<void(const std::string& path, size_t num_bytes)> on_path;
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

TEST_F(RolloutWorkersTest, TheNextVersionIsWrittenOverTheImageThatNobodyReads) {
  FakeWorker a(Address("a"));
  RolloutWorkers workers(options_);
  for (const int64_t version : {1, 2, 3}) {
    workers.Publish(version, [&]() -> policy::WeightMap {
      return {{"w", at::full({6}, version, at::kFloat)}};
    });
    EXPECT_EQ(workers.published_bytes(), 24);
  }
  const std::lock_guard lock(a.mutex);
  ASSERT_EQ(a.paths.size(), 3u);
  if (a.paths[0].empty()) GTEST_SKIP() << "no memfd here";
  EXPECT_THAT(a.paths, testing::Each(a.paths[0]));
}

// A worker that came back within a step, and takes its time.
TEST_F(RolloutWorkersTest, AnImageThatIsStillReadIsNotWrittenOver) {
  FakeWorker a(Address("a"));
  std::promise<void> reading, written;
  std::shared_future<void> until = written.get_future().share();
  std::atomic<int> calls{0};
  std::atomic<float> seen{0};
  bool shares = true;
  a.on_path = [&](const std::string& path, size_t num_bytes) {
    if (path.empty()) shares = false;
    if (++calls != 2) return;
    reading.set_value();
    until.wait();
    if (shares) {
      const rollout::MappedImage image(path, num_bytes);
      seen = reinterpret_cast<const float*>(image.bytes().data())[5];
    }
  };
  RolloutWorkers workers(options_);
  workers.Publish(1, Weights);
  a.served = 0;
  reading.get_future().wait();
  std::thread next([&] {
    workers.Publish(2, []() -> policy::WeightMap { return {{"w", at::full({6}, 9.0F)}}; });
  });
  while (workers.published_version() != 2) std::this_thread::yield();
  written.set_value();
  next.join();
  if (!shares) GTEST_SKIP() << "no memfd here";
  EXPECT_EQ(seen, 5) << "of version 1";
  EXPECT_EQ(a.served, 2);
}

TEST_F(RolloutWorkersTest, OfAnAdaptedPolicyTheBaseIsSentOnceAndThenTheAdapters) {
  FakeWorker a(Address("a"));
  RolloutWorkers workers(options_);
  int asked = 0;
  const auto base = [&] {
    ++asked;
    return policy::WeightMap{{"w.weight", at::ones({1000, 1000})}};
  };
  const auto adapted = [&](float value) {
    policy::LoraAdapter adapter{{.rank = 2, .alpha = 3, .targets = {}}, {}};
    adapter.weights = {{"w.lora_A.weight", at::full({2, 3}, value)},
                       {"w.lora_B.weight", at::full({4, 2}, value)}};
    return PublishedPolicy(base, adapter);
  };
  workers.Publish(1, [&] { return adapted(1); });
  workers.Publish(2, [&] { return adapted(2); });
  EXPECT_EQ(a.served, 2);
  EXPECT_EQ(a.bases, 1);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(workers.published_bytes(), 64 + 32) << "the first tensor and its gap, the second";
  {
    const std::lock_guard lock(a.mutex);
    EXPECT_EQ(a.last.adapter_scale(), 1.5);
    EXPECT_EQ(a.last.tensors_size(), 2);
  }
  a.base = 0;  // as after a restart
  a.served = 0;
  for (int i = 0; i < 500 && a.served != 2; ++i) {
    workers.pool().AwaitChange(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(a.served, 2);
  EXPECT_EQ(a.bases, 2);
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
                HasSubstr("'--dtype bfloat16 --numerics bf16-dot --deterministic'"));
  }
  a.numerics = "bf16-dot";
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

// What is logged while two versions are published to a worker that says this class.
std::string LogOfPublishing(const RolloutWorkersOptions& options, const std::string& said) {
  FakeWorker worker(options.addresses.front());
  worker.numerics = said;
  std::ostringstream lines;
  const auto logger = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  {
    RolloutWorkers workers(options);
    for (const int64_t version : {1, 2}) {
      workers.Publish(version, [] { return policy::WeightMap{{"w", at::ones(2)}}; });
    }
  }
  spdlog::set_default_logger(logger);
  return lines.str();
}

TEST_F(RolloutWorkersTest, AWorkerThatMultipliesInAnotherClassIsNamedOnceWithWhatToDo) {
  const std::string address = Address("a");
  options_.dtype = policy::Dtype::kBFloat16;
  options_.numerics = kernels::Numerics::kBf16Amx;
  const std::string log = LogOfPublishing(options_, "bf16-dot");
  const std::string line =
      address +
      " multiplies in bf16-dot and the learner in bf16-amx: their logprobs differ by "
      "rounding; start it with --dtype bfloat16 --numerics bf16-amx";
  EXPECT_THAT(log, HasSubstr(line));
  EXPECT_EQ(log.find(line), log.rfind(line));
  options_.numerics = kernels::Numerics::kFloat32;
  EXPECT_THAT(LogOfPublishing(options_, "bf16-amx"), HasSubstr("start it with --numerics fp32"));
}

TEST_F(RolloutWorkersTest, AWorkerOfTheExpectedClassIsNotNamed) {
  Address("a");
  options_.dtype = policy::Dtype::kBFloat16;
  options_.numerics = kernels::Numerics::kBf16Dot;
  EXPECT_EQ(LogOfPublishing(options_, "bf16-dot"), "");
  EXPECT_EQ(LogOfPublishing(options_, ""), "") << "of a release that says none";
  // Said of rollout.dtype: float32 as such.
  options_.dtype = policy::Dtype::kFloat32;
  EXPECT_EQ(LogOfPublishing(options_, "fp32"), "");
}

}  // namespace
}  // namespace cohort::rl
