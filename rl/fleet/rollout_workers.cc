#include "rl/fleet/rollout_workers.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "rl/fleet/channel.h"
#include "rl/fleet/interrupt.h"

namespace cohort::rl {
namespace {

using Clock = std::chrono::steady_clock;

SupervisedPoolOptions PoolOptions(const RolloutWorkersOptions& options) {
  const int threads = ShareOfCores(options.threads, options.num_local);
  const int64_t kv_cache_mb = std::max<int64_t>(1, options.kv_cache_bytes >> 20);
  SupervisedPoolOptions pool;
  static_cast<ServicesOptions&>(pool) = options;
  pool.name = "rollout";
  pool.remote_name = "rollout worker";
  pool.command = {options.program.string(),
                  "--config",
                  options.config.string(),
                  "--dtype",
                  std::string(policy::NameOf(options.dtype)),
                  "--threads",
                  std::to_string(threads),
                  "--kv-cache-mb",
                  std::to_string(kv_cache_mb)};
  return pool;
}

}  // namespace

RolloutWorkers::RolloutWorkers(const RolloutWorkersOptions& options)
    : publish_deadline_(options.publish_deadline),
      dtype_(options.dtype),
      pool_(PoolOptions(options), *this) {}

void RolloutWorkers::Publish(int64_t version, const std::function<policy::WeightMap()>& weights) {
  if (version == published_version()) return;
  Replace(weights(), version);
  const auto end = Clock::now() + publish_deadline_;
  pool_.LookNow();
  while (!Settled()) {
    if (Clock::now() >= end) {
      throw Error(ErrorCode::kUnavailable, "no worker took weights version " +
                                               std::to_string(version) + " in time" + Refusals());
    }
    if (InterruptRequested()) {
      throw Error(ErrorCode::kInterrupted, "stopped while no worker answers",
                  "the same command goes on from the last checkpoint");
    }
    pool_.AwaitChange(std::chrono::milliseconds(5));
  }
}

void RolloutWorkers::Replace(const policy::WeightMap& weights, int64_t version) {
  std::shared_ptr<PublishedWeights> previous;
  {
    const std::lock_guard lock(mutex_);
    previous = std::move(previous_);
  }
  std::unique_ptr<rollout::SharedImage> recycled;
  if (previous != nullptr && previous.use_count() == 1) {  // no call sends it
    recycled = std::move(*previous).TakeImage();
  }
  previous.reset();
  auto image = std::make_shared<PublishedWeights>(weights, version, dtype_, std::move(recycled));
  const std::lock_guard lock(mutex_);
  previous_ = std::exchange(current_, std::move(image));
  refusals_.clear();
}

// Every worker that answers has the current version, and at least one does.
bool RolloutWorkers::Settled() const {
  ThrowIfRefused();
  int ready = 0, failed = 0;
  std::string failure;
  for (int i = 0; i < pool_.size(); ++i) {
    const Endpoint endpoint = pool_.endpoint(i);
    if (endpoint.ready) ++ready;
    if (!endpoint.ready && pool_.answers(i)) return false;
    if (!endpoint.failure.empty()) {
      ++failed;
      failure = endpoint.failure;
    }
  }
  if (failed == pool_.size()) throw Error(ErrorCode::kUnavailable, failure);
  return ready > 0;
}

void RolloutWorkers::ThrowIfRefused() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, status] : refusals_) {
    if (status.error_code() != grpc::StatusCode::INVALID_ARGUMENT) continue;
    throw Error(ErrorCode::kUsage,
                name + " refuses the weights: " + std::string(status.error_message()));
  }
}

std::string RolloutWorkers::Refusals() const {
  const std::lock_guard lock(mutex_);
  std::string reasons;
  for (const auto& [name, status] : refusals_) {
    reasons += "; " + name + ": " + status.error_message();
  }
  return reasons;
}

grpc::Status RolloutWorkers::AskHealth(const Channel& channel, CancellableCalls& calls,
                                       std::chrono::milliseconds deadline, Heartbeat* heartbeat) {
  CancellableCalls::Context context(calls, deadline);
  rollout::v1::HealthReply reply;
  const auto status = rollout::v1::Rollout::NewStub(channel)->Health(&*context, {}, &reply);
  heartbeat->busy = reply.running_sequences() + reply.waiting_sequences() > 0;
  heartbeat->progress = reply.tokens_computed();  // of prompts too: a long prefill moves
  heartbeat->version = reply.policy_version();
  return status;
}

int64_t RolloutWorkers::wanted_version() const {
  const std::lock_guard lock(mutex_);
  return current_ == nullptr ? 0 : current_->version();
}

std::optional<int64_t> RolloutWorkers::Update(const std::string& name, const Channel& channel,
                                              const std::string& address, CancellableCalls& calls) {
  std::shared_ptr<const PublishedWeights> weights;
  {
    const std::lock_guard lock(mutex_);
    weights = current_;
  }
  if (weights == nullptr) return 0;
  SendOptions send;
  send.same_host = IsThisHost(address);
  send.deadline = publish_deadline_;
  const auto stub = rollout::v1::Rollout::NewStub(channel);
  const grpc::Status status = SendWeights(*stub, calls, *weights, send);
  const std::lock_guard lock(mutex_);
  if (status.ok()) {
    refusals_.erase(name);
    return weights->version();
  }
  refusals_[name] = status;
  return std::nullopt;
}

}  // namespace cohort::rl
