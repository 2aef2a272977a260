#include "rollout/worker/engine.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/error.h"

namespace cohort::rollout {
namespace {

grpc::Status Unavailable(const std::string& message) {
  return {grpc::StatusCode::UNAVAILABLE, message};
}

// The status of a call that ends with an exception of the decoder.
grpc::Status StatusOf(const std::exception& error) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  if (ours != nullptr && ours->code() == ErrorCode::kUsage) {
    return {grpc::StatusCode::INVALID_ARGUMENT, error.what()};
  }
  const bool memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
                      (ours != nullptr && ours->code() == ErrorCode::kEnvironment);
  return {memory ? grpc::StatusCode::RESOURCE_EXHAUSTED : grpc::StatusCode::INTERNAL, error.what()};
}

}  // namespace

struct Engine::PendingSwap {
  std::unique_ptr<policy::WeightSource> weights;
  PolicyName policy;
  std::function<void(const grpc::Status&)> on_done;
};

Engine::Engine(EngineOptions options, std::unique_ptr<Decoder> decoder)
    : options_(std::move(options)), decoder_(std::move(decoder)) {
  health_.serving = decoder_ != nullptr;
  if (decoder_ != nullptr) health_.policy.version = decoder_->policy_version();
  thread_ = std::thread([this] { Run(); });
}

Engine::~Engine() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

grpc::Status Engine::Submit(std::vector<GroupRequest> groups, const PolicyName& expected,
                            RequestSink sink, uint64_t* request_id) {
  uint64_t samples = 0;
  for (const GroupRequest& group : groups) samples += group.sample_ids.size();
  std::lock_guard lock(mutex_);
  if (!health_.failure.empty()) return {grpc::StatusCode::INTERNAL, health_.failure};
  if (stopping_ || draining_) return Unavailable("the worker is draining");
  if (swapping_) return Unavailable("the worker is taking new weights");
  if (!health_.serving) return Unavailable("the worker has no weights yet");
  if (expected.version != 0 && expected.version != health_.policy.version) {
    return {grpc::StatusCode::FAILED_PRECONDITION, "the worker has weights version " +
                                                       std::to_string(health_.policy.version) +
                                                       ", not " + std::to_string(expected.version)};
  }
  if (!expected.run.empty() && expected.run != health_.policy.run) {
    return {grpc::StatusCode::FAILED_PRECONDITION,
            "the worker has weights of run '" + health_.policy.run + "', not of " + expected.run};
  }
  if (samples > options_.max_outstanding_samples - outstanding_) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED,
            "the queue is full: " + std::to_string(outstanding_) + " samples of at most " +
                std::to_string(options_.max_outstanding_samples) + " are outstanding"};
  }
  outstanding_ += samples;
  *request_id = next_request_++;
  inbox_[*request_id] = {std::move(sink), std::move(groups), {}, samples};
  wake_.notify_all();
  return grpc::Status::OK;
}

void Engine::Cancel(uint64_t request_id) {
  std::lock_guard lock(mutex_);
  cancelled_.push_back(request_id);
  wake_.notify_all();
}

void Engine::Swap(std::unique_ptr<policy::WeightSource> weights, const PolicyName& policy,
                  std::function<void(const grpc::Status&)> on_done) {
  {
    std::lock_guard lock(mutex_);
    if (!swapping_ && !stopping_ && health_.failure.empty()) {
      swapping_ = true;
      swap_.reset(new PendingSwap{std::move(weights), policy, std::move(on_done)});
      wake_.notify_all();
      return;
    }
  }
  on_done(Unavailable("the worker is taking other weights, or stopping"));
}

void Engine::CancelSwap() {
  std::unique_ptr<PendingSwap> cancelled;
  {
    std::lock_guard lock(mutex_);
    if (swap_ == nullptr) return;
    cancelled = std::move(swap_);
    swapping_ = false;
  }
  cancelled->on_done({grpc::StatusCode::CANCELLED, "the update was cancelled before the swap"});
}

void Engine::Drain(Clock::time_point deadline, std::function<void(uint32_t)> on_done) {
  std::lock_guard lock(mutex_);
  draining_ = true;
  drains_.emplace(deadline, std::move(on_done));
  wake_.notify_all();
}

EngineHealth Engine::health() const {
  std::lock_guard lock(mutex_);
  EngineHealth health = health_;
  health.serving =
      health.serving && !draining_ && !stopping_ && !swapping_ && health.failure.empty();
  return health;
}

void Engine::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (running_.empty()) {
      wake_.wait(lock, [&] {
        return stopping_ || !inbox_.empty() || !cancelled_.empty() || swap_ != nullptr ||
               !drains_.empty();
      });
    }
    auto admitted = std::exchange(inbox_, {});
    const auto cancelled = std::exchange(cancelled_, {});
    const bool stopping = stopping_;
    lock.unlock();
    for (auto& [id, request] : admitted) Admit(id, std::move(request));
    for (const uint64_t id : cancelled) {
      End(id, {grpc::StatusCode::CANCELLED, "the request was cancelled"});
    }
    if (!running_.empty() && !stopping) StepOnce();
    PublishCounters();
    lock.lock();
    if (running_.empty() && inbox_.empty() && swap_ != nullptr) {
      auto swap = std::move(swap_);
      lock.unlock();
      PerformSwap(std::move(swap));
      lock.lock();
    }
    AnswerDrains(lock);
  }
  auto left = std::exchange(inbox_, {});
  const auto swap = std::move(swap_);
  lock.unlock();
  running_.merge(left);
  EndAll(Unavailable("the worker stopped"));
  if (swap != nullptr) swap->on_done(Unavailable("the worker stopped"));
  lock.lock();
  AnswerDrains(lock);
}

void Engine::Admit(uint64_t request_id, Request request) {
  std::vector<GroupRequest> groups = std::move(request.groups);
  Request& running = running_[request_id] = std::move(request);
  if (decoder_broken_) {
    End(request_id, {grpc::StatusCode::INTERNAL, "the decoder failed"});
    return;
  }
  try {
    for (GroupRequest& group : groups) {
      const uint64_t id = next_group_++;
      owners_[id] = {request_id, group.group_id};
      running.decoder_groups.push_back(id);
      group.group_id = id;
      decoder_->Submit(std::move(group));
    }
  } catch (const std::exception& error) {
    End(request_id, StatusOf(error));
  }
}

void Engine::StepOnce() {
  std::vector<SampledCompletion> completions;
  try {
    completions = decoder_->Step();
    COHORT_CHECK(!completions.empty() || !decoder_->Idle(), "a running request is in the decoder");
  } catch (const std::exception& error) {
    decoder_broken_ = true;  // in an unknown state: nothing more is asked of it
    const std::string failure = std::string("the decoder failed: ") + error.what();
    {
      std::lock_guard lock(mutex_);
      health_.failure = failure;
    }
    EndAll({grpc::StatusCode::INTERNAL, failure});
    return;
  }
  for (SampledCompletion& completion : completions) Deliver(std::move(completion));
}

void Engine::Deliver(SampledCompletion completion) {
  const auto owner = owners_.find(completion.group_id);
  if (owner == owners_.end()) return;  // cancelled
  const uint64_t request_id = owner->second.first;
  Request& request = running_.at(request_id);
  completion.group_id = owner->second.second;
  request.sink.on_completion(std::move(completion), run_);
  request.unfinished--;
  {
    std::lock_guard lock(mutex_);
    outstanding_--;
  }
  if (request.unfinished == 0) End(request_id, grpc::Status::OK);
}

void Engine::PerformSwap(std::unique_ptr<PendingSwap> swap) {
  grpc::Status status;
  try {
    if (decoder_ == nullptr) {
      decoder_ = options_.make_decoder(*swap->weights, swap->policy.version);
    } else {
      decoder_->SwapWeights(*swap->weights, swap->policy.version);
    }
    run_ = swap->policy.run;
  } catch (const std::exception& error) {
    status = StatusOf(error);
  }
  {
    std::lock_guard lock(mutex_);
    swapping_ = false;
    if (decoder_ != nullptr) {
      health_.serving = true;
      health_.policy = {run_, decoder_->policy_version()};
    }
  }
  swap->on_done(status);
}

void Engine::AnswerDrains(std::unique_lock<std::mutex>& lock) {
  const bool all = outstanding_ == 0 || stopping_;
  const auto unfinished = static_cast<uint32_t>(outstanding_);
  while (!drains_.empty() && (all || Clock::now() >= drains_.begin()->first)) {
    const auto on_done = std::move(drains_.begin()->second);
    drains_.erase(drains_.begin());
    lock.unlock();
    on_done(unfinished);
    lock.lock();
  }
}

void Engine::End(uint64_t request_id, const grpc::Status& status) {
  const auto found = running_.find(request_id);
  if (found == running_.end()) return;  // ended before its cancellation came
  Request request = std::move(found->second);
  running_.erase(found);
  for (const uint64_t group : request.decoder_groups) {
    if (request.unfinished > 0 && !decoder_broken_) decoder_->Cancel(group);
    owners_.erase(group);
  }
  {
    std::lock_guard lock(mutex_);
    outstanding_ -= request.unfinished;
  }
  request.sink.on_end(status);
}

void Engine::EndAll(const grpc::Status& status) {
  while (!running_.empty()) End(running_.begin()->first, status);
}

void Engine::PublishCounters() {
  if (decoder_ == nullptr) return;
  const DecoderStats stats = decoder_->stats();
  const auto running = static_cast<uint32_t>(decoder_->num_running());
  const auto waiting = static_cast<uint32_t>(decoder_->num_waiting());
  std::lock_guard lock(mutex_);
  health_.tokens_generated = stats.decode_tokens;
  health_.tokens_computed = stats.decode_tokens + stats.prefill_tokens;
  health_.running = running;
  health_.waiting = waiting;
}

}  // namespace cohort::rollout
