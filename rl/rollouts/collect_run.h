#pragma once

// The state of one Collect: what is still to be sampled, what is still to be scored, what is done.
// All of it belongs to the thread that runs the io_context; only gRPC's callbacks come from others,
// and they go through MessageStream.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <map>
#include <unordered_map>
#include <vector>

#include "rl/rollouts/collector.h"
#include "rl/rollouts/event.h"
#include "rl/rollouts/grpc_awaitable.h"
#include "rollout/rollout.pb.h"

namespace cohort::rl {

struct CollectInputs {
  const CollectorOptions& options;
  const rollout::Sampling& sampling;
  const std::vector<reward::RewardTerm>& terms;
  const std::function<std::string(std::span<const int32_t>)>& detokenize;
};

class CollectRun {
 public:
  CollectRun(WorkerPool& pool, const CollectInputs& inputs, std::vector<PromptTask> tasks);

  // Runs to the end on this thread; throws what stopped it. Called once.
  std::vector<Group> Run(CollectStats* stats);

 private:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;
  template <class T>
  using Awaitable = boost::asio::awaitable<T>;

  struct PendingGroup {
    size_t group;
    std::vector<uint64_t> sample_ids;
    int attempts = 0;
  };
  struct SampleState {
    size_t group;
    size_t index;  // in the group
    bool sampled = false;
    bool scored = false;
    int score_attempts = 0;
  };

  // Sampling (drive_worker.cc): one coroutine per rollout worker.
  Awaitable<void> DriveWorker(int worker);
  Awaitable<grpc::Status> Generate(int worker, const Endpoint& endpoint,
                                   const std::vector<PendingGroup>& taken);
  std::vector<PendingGroup> TakeGroups();
  void AcceptCompletion(const rollout::v1::Completion& completion);
  void ReturnUnfinished(std::vector<PendingGroup> taken, const grpc::Status& status);

  // Scoring (drive_scorer.cc): max_score_calls coroutines per reward service.
  Awaitable<void> DriveScorer(int service);
  Awaitable<grpc::Status> Score(int service, const Endpoint& endpoint,
                                const std::vector<uint64_t>& batch);
  std::vector<uint64_t> TakeSamples();
  void AcceptVerdict(const reward::Verdict& verdict);
  void ReturnUnscored(const std::vector<uint64_t>& batch, const grpc::Status& status);
  void FailReward(uint64_t sample_id, const std::string& detail);

  // Both (collect_run.cc).
  Awaitable<void> Watch();
  void CheckServices();
  void Spawn(Awaitable<void> coroutine);
  // Reads a call to its end and gives each message to `accept`; a throw of that stops the Collect,
  // not the reading.
  template <class Message, class Accept>
  Awaitable<grpc::Status> ReadAll(std::shared_ptr<MessageStream<Message>> stream, Accept accept);
  void Stop(std::exception_ptr error);  // the first error wins; running calls are cancelled
  bool Finished() const { return stopped_ || scored_ == samples_.size(); }
  void FinishSample(SampleState& state);
  Sample& SampleOf(const SampleState& state) { return groups_[state.group].samples[state.index]; }

  WorkerPool& pool_;
  const CollectInputs inputs_;
  const Clock::time_point start_ = Clock::now();
  const int64_t policy_version_;
  boost::asio::io_context io_{1};
  Event changed_{io_.get_executor()};

  std::vector<Group> groups_;
  std::unordered_map<uint64_t, SampleState> samples_;  // by sample_id
  std::deque<PendingGroup> pending_;
  std::deque<uint64_t> unscored_;
  size_t groups_per_call_ = 1;
  size_t sampled_ = 0;
  size_t scored_ = 0;

  struct RunningCall {
    Endpoint endpoint;
    bool rollout;
    int index;
    Clock::time_point start = Clock::now();
  };
  std::map<grpc::ClientContext*, RunningCall> running_;
  Clock::time_point last_progress_ = Clock::now();
  std::exception_ptr error_;
  bool stopped_ = false;
  CollectStats stats_;
};

template <class Message, class Accept>
CollectRun::Awaitable<grpc::Status> CollectRun::ReadAll(
    std::shared_ptr<MessageStream<Message>> stream, Accept accept) {
  while (true) {
    const std::vector<Message> messages = co_await stream->Read();
    if (messages.empty()) break;
    try {
      for (const Message& message : messages) {
        if (!stopped_) accept(message);
      }
    } catch (...) {
      Stop(std::current_exception());
    }
    changed_.NotifyAll();
  }
  running_.erase(&stream->context());
  co_return stream->status();
}

}  // namespace cohort::rl
