#pragma once

// The state of one Collect, which its lanes share: which episodes are to be sampled and judged,
// which calls run, what has gone wrong. All of it belongs to the thread that runs the io_context;
// only gRPC's callbacks come from others, and they go through MessageStream.

#include <grpcpp/client_context.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "rl/fleet/service_pool.h"
#include "rl/rollouts/event.h"
#include "rl/rollouts/message_stream.h"
#include "rl/rollouts/rollouts.h"

namespace cohort::rl {

template <class T>
using Awaitable = boost::asio::awaitable<T>;

class CollectState {
 public:
  using Clock = std::chrono::steady_clock;

  struct Sample {
    size_t group = 0;
    size_t index = 0;  // in the group
    bool sampled = false;
    bool judged = false;
    int score_attempts = 0;
  };

  explicit CollectState(std::vector<EpisodeGroup> groups);

  std::vector<EpisodeGroup>& groups() { return groups_; }
  // nullptr: no episode has this id.
  Sample* Find(uint64_t sample_id);
  Sample& At(uint64_t sample_id) { return samples_.at(sample_id); }
  Episode& EpisodeOf(const Sample& sample) { return groups_[sample.group].episodes[sample.index]; }
  const EncodedProblem& ProblemOf(const Sample& sample) const {
    return *groups_[sample.group].problem;
  }

  void MarkSampled(Sample& sample);
  void MarkJudged(Sample& sample);
  bool AllSampled() const { return sampled_ == samples_.size(); }
  bool AllJudged() const { return judged_ == samples_.size(); }
  bool stopped() const { return stopped_; }
  bool Finished() const { return stopped_ || AllJudged(); }
  size_t sampled() const { return sampled_; }

  // Runs a coroutine on the state's thread; what it throws stops the Collect.
  void Spawn(Awaitable<void> coroutine);
  // The first error wins; running calls are cancelled, coroutines find Finished().
  void Stop(std::exception_ptr error);
  // Runs to the end on this thread; throws what stopped it.
  void Run();

  boost::asio::any_io_executor executor() { return io_.get_executor(); }
  // Notified whenever something above has changed.
  Event& changed() { return changed_; }
  CollectStats& stats() { return stats_; }
  Clock::time_point start() const { return start_; }

  // Registers `stream` as a running call to `endpoint` of `pool`, reads it to its end and gives
  // each message to `accept`; a throw of that stops the Collect, not the reading.
  template <class Message, class Accept>
  Awaitable<grpc::Status> ReadAll(std::shared_ptr<MessageStream<Message>> stream,
                                  const ServicePool& pool, int index, const Endpoint& endpoint,
                                  Accept accept);
  // Gives up calls to services that were restarted since.
  void CancelLostCalls();
  // Since an episode was sampled or judged, or a call that does not end at once began to run.
  double IdleSeconds();

 private:
  struct RunningCall {
    const ServicePool* pool;
    int index;
    uint64_t incarnation;
    Clock::time_point start;
  };

  std::vector<EpisodeGroup> groups_;
  std::unordered_map<uint64_t, Sample> samples_;  // by sample_id
  size_t sampled_ = 0;
  size_t judged_ = 0;
  boost::asio::io_context io_{1};
  Event changed_{io_.get_executor()};
  std::map<grpc::ClientContext*, RunningCall> running_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_progress_ = start_;
  std::exception_ptr error_;
  bool stopped_ = false;
  CollectStats stats_;
};

template <class Message, class Accept>
Awaitable<grpc::Status> CollectState::ReadAll(std::shared_ptr<MessageStream<Message>> stream,
                                              const ServicePool& pool, int index,
                                              const Endpoint& endpoint, Accept accept) {
  running_[&stream->context()] = {&pool, index, endpoint.incarnation, Clock::now()};
  stream->Start();
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
