#include "rollout/worker/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>

#include "rollout/cpu/cpu_decoder.h"
#include "tests/fakes/fake_model_runner.h"
#include "tests/rollout/tiny_policy.h"

namespace cohort::rollout {
namespace {

using namespace std::chrono_literals;
using grpc::StatusCode;

constexpr auto kLimit = 30s;

constexpr DecoderOptions kDecoder{.num_threads = 1, .kv_cache_bytes = int64_t{64} << 20};

EngineOptions Options(uint64_t max_outstanding = 8192) {
  return {.make_decoder = {}, .max_outstanding_samples = max_outstanding};
}

// Records the calls of a request's sink; the engine writes, the test waits.
class Outcome {
 public:
  RequestSink Sink() {
    return {[this](SampledCompletion completion, const std::string&) {
              std::lock_guard lock(mutex_);
              EXPECT_FALSE(ended_);
              completions_.push_back(std::move(completion));
              changed_.notify_all();
            },
            [this](const grpc::Status& status) {
              std::lock_guard lock(mutex_);
              EXPECT_FALSE(ended_) << "on_end came twice";
              ended_ = true;
              status_ = status;
              changed_.notify_all();
            }};
  }
  grpc::Status AwaitEnd() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kLimit, [&] { return ended_; })) << "no end came";
    return status_;
  }
  bool ended() {
    std::lock_guard lock(mutex_);
    return ended_;
  }
  std::vector<SampledCompletion> completions() {
    std::lock_guard lock(mutex_);
    return completions_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SampledCompletion> completions_;
  bool ended_ = false;
  grpc::Status status_;
};

std::vector<GroupRequest> OneGroup(uint64_t group_id, size_t samples, int32_t max_new_tokens) {
  GroupRequest group;
  group.group_id = group_id;
  group.prompt_ids = {1, 2, 3};
  for (uint64_t i = 0; i < samples; ++i) group.sample_ids.push_back(100 * group_id + i);
  group.sampling.max_new_tokens = max_new_tokens;
  return {group};
}

class EngineTest : public ::testing::Test {
 protected:
  std::unique_ptr<Engine> MakeEngine(const EngineOptions& options = Options(),
                                     int64_t version = 1) {
    auto decoder = std::make_unique<Decoder>(MakeCpuDecoder(config_, weights_, kDecoder, version));
    return std::make_unique<Engine>(options, std::move(decoder));
  }
  std::unique_ptr<policy::WeightSource> Others() const {
    return std::make_unique<policy::WeightsInMemory>(other_weights_);
  }
  grpc::Status Swap(Engine& engine, int64_t version) {
    auto done = std::make_shared<std::promise<grpc::Status>>();
    engine.Swap(Others(), {"", version},
                [done](const grpc::Status& status) { done->set_value(status); });
    auto future = done->get_future();
    EXPECT_EQ(future.wait_for(kLimit), std::future_status::ready);
    return future.get();
  }

  const policy::ModelConfig config_ = testing::TinyConfig();
  const policy::WeightMap weights_ = policy::InitialWeights(config_, 1);
  const policy::WeightMap other_weights_ = policy::InitialWeights(config_, 2);
  uint64_t id_ = 0;
};

TEST_F(EngineTest, DeliversEverySampleUnderTheCallersOwnIds) {
  const auto engine = MakeEngine();
  Outcome first;
  Outcome second;  // the same group and sample ids, from another caller
  ASSERT_TRUE(engine->Submit(OneGroup(5, 4, 16), {"", 1}, first.Sink(), &id_).ok());
  ASSERT_TRUE(engine->Submit(OneGroup(5, 4, 16), {"", 0}, second.Sink(), &id_).ok());
  EXPECT_TRUE(first.AwaitEnd().ok());
  EXPECT_TRUE(second.AwaitEnd().ok());
  ASSERT_EQ(first.completions().size(), 4u);
  ASSERT_EQ(second.completions().size(), 4u);
  for (const SampledCompletion& completion : first.completions()) {
    EXPECT_EQ(completion.group_id, 5u);
    EXPECT_EQ(completion.policy_version, 1);
    EXPECT_EQ(completion.ids.size(), completion.rollout_logprobs.size());
  }
}

TEST_F(EngineTest, RefusesAnotherVersionThanExpected) {
  const auto engine = MakeEngine();
  Outcome outcome;
  const grpc::Status status = engine->Submit(OneGroup(1, 1, 4), {"", 2}, outcome.Sink(), &id_);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
}

TEST_F(EngineTest, RefusesWhatDoesNotFitTheQueueAndServesOnceThereIsRoom) {
  const auto engine = MakeEngine(Options(8));
  Outcome running;
  Outcome refused;
  ASSERT_TRUE(engine->Submit(OneGroup(1, 6, 1000), {"", 0}, running.Sink(), &id_).ok());
  EXPECT_EQ(engine->Submit(OneGroup(2, 3, 4), {"", 0}, refused.Sink(), &id_).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(running.AwaitEnd().ok());
  Outcome later;
  ASSERT_TRUE(engine->Submit(OneGroup(2, 8, 4), {"", 0}, later.Sink(), &id_).ok());
  EXPECT_TRUE(later.AwaitEnd().ok());
}

TEST_F(EngineTest, CancelFreesTheSequences) {
  const auto engine = MakeEngine(Options(8));
  Outcome cancelled;
  ASSERT_TRUE(engine->Submit(OneGroup(1, 8, 4000), {"", 0}, cancelled.Sink(), &id_).ok());
  engine->Cancel(id_);
  EXPECT_EQ(cancelled.AwaitEnd().error_code(), StatusCode::CANCELLED);
  Outcome next;
  ASSERT_TRUE(engine->Submit(OneGroup(2, 8, 4), {"", 0}, next.Sink(), &id_).ok());
  EXPECT_TRUE(next.AwaitEnd().ok());
  EXPECT_EQ(next.completions().size(), 8u);
}

TEST_F(EngineTest, SwapsOnlyAfterWhatWasAdmittedHasFinished) {
  const auto engine = MakeEngine();
  Outcome before;
  ASSERT_TRUE(engine->Submit(OneGroup(1, 4, 400), {"", 1}, before.Sink(), &id_).ok());
  EXPECT_TRUE(Swap(*engine, 2).ok());
  EXPECT_TRUE(before.ended());
  for (const SampledCompletion& completion : before.completions()) {
    EXPECT_EQ(completion.policy_version, 1);
  }
  Outcome after;
  ASSERT_TRUE(engine->Submit(OneGroup(1, 4, 8), {"", 2}, after.Sink(), &id_).ok());
  EXPECT_TRUE(after.AwaitEnd().ok());
  EXPECT_EQ(after.completions().at(0).policy_version, 2);
}

TEST_F(EngineTest, AdmitsNothingWhileASwapWaits) {
  const auto engine = MakeEngine();
  Outcome running;
  uint64_t running_id = 0;
  ASSERT_TRUE(engine->Submit(OneGroup(1, 4, 4000), {"", 1}, running.Sink(), &running_id).ok());
  std::promise<grpc::Status> swapped;
  engine->Swap(Others(), {"", 2}, [&](const grpc::Status& status) { swapped.set_value(status); });
  Outcome refused;
  EXPECT_EQ(engine->Submit(OneGroup(2, 1, 4), {"", 0}, refused.Sink(), &id_).error_code(),
            StatusCode::UNAVAILABLE);
  engine->CancelSwap();
  EXPECT_EQ(swapped.get_future().get().error_code(), StatusCode::CANCELLED);
  EXPECT_EQ(engine->health().policy.version, 1);
  Outcome admitted;
  EXPECT_TRUE(engine->Submit(OneGroup(2, 1, 4), {"", 1}, admitted.Sink(), &id_).ok());
  EXPECT_TRUE(admitted.AwaitEnd().ok());
  engine->Cancel(running_id);
  running.AwaitEnd();
}

TEST_F(EngineTest, IsUnavailableUntilItsFirstWeights) {
  EngineOptions options = Options();
  options.make_decoder = [this](policy::WeightSource& weights, int64_t version) {
    return std::make_unique<Decoder>(MakeCpuDecoder(config_, weights, kDecoder, version));
  };
  Engine engine(options, nullptr);
  EXPECT_FALSE(engine.health().serving);
  Outcome refused;
  EXPECT_EQ(engine.Submit(OneGroup(1, 1, 4), {"", 0}, refused.Sink(), &id_).error_code(),
            StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Swap(engine, 3).ok());
  EXPECT_TRUE(engine.health().serving);
  EXPECT_EQ(engine.health().policy.version, 3);
  Outcome served;
  ASSERT_TRUE(engine.Submit(OneGroup(1, 1, 4), {"", 3}, served.Sink(), &id_).ok());
  EXPECT_TRUE(served.AwaitEnd().ok());
}

TEST_F(EngineTest, RequestThatTheDecoderRefusesFailsAlone) {
  const auto engine = MakeEngine();
  Outcome bad;
  auto groups = OneGroup(1, 1, 4);
  groups[0].prompt_ids = {1000};  // outside the vocabulary
  ASSERT_TRUE(engine->Submit(std::move(groups), {"", 0}, bad.Sink(), &id_).ok());
  EXPECT_EQ(bad.AwaitEnd().error_code(), StatusCode::INVALID_ARGUMENT);
  Outcome good;
  ASSERT_TRUE(engine->Submit(OneGroup(2, 1, 4), {"", 0}, good.Sink(), &id_).ok());
  EXPECT_TRUE(good.AwaitEnd().ok());
}

TEST_F(EngineTest, DrainFinishesWhatRunsAndAdmitsNothing) {
  const auto engine = MakeEngine();
  Outcome running;
  ASSERT_TRUE(engine->Submit(OneGroup(1, 4, 200), {"", 0}, running.Sink(), &id_).ok());
  std::promise<uint32_t> drained;
  engine->Drain(Engine::Clock::now() + kLimit, [&](uint32_t left) { drained.set_value(left); });
  EXPECT_EQ(engine->Submit(OneGroup(2, 1, 4), {"", 0}, running.Sink(), &id_).error_code(),
            StatusCode::UNAVAILABLE);
  EXPECT_EQ(drained.get_future().get(), 0u);
  EXPECT_TRUE(running.ended());
}

TEST_F(EngineTest, DrainReportsWhatItsDeadlineCutOff) {
  auto engine = MakeEngine();
  Outcome running;
  ASSERT_TRUE(engine->Submit(OneGroup(1, 64, 4000), {"", 0}, running.Sink(), &id_).ok());
  std::promise<uint32_t> drained;
  engine->Drain(Engine::Clock::now(), [&](uint32_t left) { drained.set_value(left); });
  EXPECT_EQ(drained.get_future().get(), 64u);
  engine.reset();
  EXPECT_EQ(running.AwaitEnd().error_code(), StatusCode::UNAVAILABLE);
}

// A watchdog that counts drawn tokens would take this worker for dead: it computes a prompt of
// 2,000 tokens in steps of 8, and draws one token at the end.
TEST(EngineProgress, MovesWithEveryStepOfALongPrompt) {
  const RunnerShape shape{
      .vocab_size = 8, .max_positions = 4096, .num_blocks = 1000, .block_tokens = 4};
  auto runner = std::make_unique<FakeModelRunner>(shape, FakeModelRunner::Scattered(8));
  std::promise<void> first_step, go_on;
  std::shared_future<void> may_go_on = go_on.get_future().share();
  int steps = 0;
  runner->OnStep([&] {
    if (++steps != 4) return;
    first_step.set_value();
    may_go_on.wait();
  });
  Engine engine(Options(), std::make_unique<Decoder>(std::move(runner),
                                                     DecoderOptions{.tokens_per_step = 8}, 1));
  auto groups = OneGroup(1, 1, 1);
  groups[0].prompt_ids.assign(2000, 1);
  Outcome outcome;
  uint64_t id = 0;
  ASSERT_TRUE(engine.Submit(std::move(groups), {"", 0}, outcome.Sink(), &id).ok());
  first_step.get_future().wait();
  const EngineHealth inside = engine.health();
  EXPECT_EQ(inside.tokens_computed, 24u) << "three steps are done, the fourth is under way";
  EXPECT_EQ(inside.tokens_generated, 0u);
  go_on.set_value();
  EXPECT_TRUE(outcome.AwaitEnd().ok());
}

}  // namespace
}  // namespace cohort::rollout
