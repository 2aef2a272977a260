#include "rl/fleet/rollout_workers.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "rl/fleet/channel.h"
#include "rl/fleet/interrupt.h"
#include "rollout/weight_sync/handshake.h"

namespace cohort::rl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kFirstLine{5}, kNextLine{30};  // about a Publish that waits
constexpr std::chrono::milliseconds kLastWord{1'000};

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
  if (options.numerics == kernels::Numerics::kBf16Dot) pool.command.push_back("--round-operands");
  if (options.deterministic) pool.command.push_back("--deterministic");
  return pool;
}

// What a worker must be started with to compute as a deterministic run's learner does.
std::string FlagsOf(const std::string& dtype, const std::string& numerics, bool deterministic) {
  const bool halves = dtype == policy::SafetensorsName(policy::Dtype::kBFloat16);
  const bool rounds = halves && numerics == kernels::NumericsName(kernels::Numerics::kBf16Dot);
  return std::string(halves ? "--dtype bfloat16" : "--dtype float32") +
         (rounds ? " --round-operands" : "") + (deterministic ? " --deterministic" : "");
}

rollout::v1::WeightManifest Heading(const RolloutWorkersOptions& options) {
  rollout::v1::WeightManifest heading;
  heading.set_protocol(rollout::kProtocol);
  if (!options.config.empty()) {
    rollout::FillHandshake(policy::ReadConfig(options.config.string()), &heading);
  }
  *heading.mutable_run() = options.run;
  heading.set_vocabulary_checksum(options.vocabulary_checksum);
  return heading;
}

}  // namespace

RolloutWorkers::RolloutWorkers(const RolloutWorkersOptions& options)
    : publish_deadline_(options.publish_deadline),
      answer_deadline_(options.answer_deadline),
      num_local_(options.num_local),
      heading_(Heading(options)),
      dtype_(options.dtype),
      numerics_(options.numerics),
      deterministic_(options.deterministic),
      pool_(PoolOptions(options), *this) {}

RolloutWorkers::~RolloutWorkers() { EndLeases(); }

void RolloutWorkers::RequestStop() {
  EndLeases();
  pool_.RequestStop();
}

// So that another run need not wait until the lease expires.
void RolloutWorkers::EndLeases() {
  if (std::exchange(leases_ended_, true) || published_version() == 0) return;
  rollout::v1::EndLeaseRequest request;
  *request.mutable_run() = heading_.run();
  for (int i = num_local_; i < pool_.size(); ++i) {
    const Endpoint endpoint = pool_.endpoint(i);
    if (endpoint.channel == nullptr || !pool_.answers(i)) continue;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kLastWord);
    rollout::v1::EndLeaseReply reply;
    rollout::v1::Rollout::NewStub(endpoint.channel)->EndLease(&context, request, &reply);
  }
}

void RolloutWorkers::Publish(int64_t version, const std::function<policy::WeightMap()>& weights) {
  if (version == published_version()) return;
  Replace(weights(), version);
  const auto end = Clock::now() + publish_deadline_;
  auto last_answer = Clock::now(), next_line = Clock::now() + kFirstLine;
  pool_.LookNow();
  while (!Settled()) {
    const auto now = Clock::now();
    if (AnyAnswers()) last_answer = now;
    if (now >= end || now - last_answer >= answer_deadline_) {
      throw Error(ErrorCode::kUnavailable,
                  "no worker took weights version " + std::to_string(version) +
                      " in time: " + NotReady() + Refusals(),
                  "when a worker answers again, the same command goes on from the last checkpoint");
    }
    if (now >= next_line) {
      spdlog::warn("waiting for {} to take weights version {}{}", NotReady(), version, Refusals());
      next_line = now + kNextLine;
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
  rollout::v1::WeightManifest heading = heading_;
  heading.set_policy_version(version);
  auto image = std::make_shared<PublishedWeights>(weights, heading, dtype_, std::move(recycled));
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

bool RolloutWorkers::AnyAnswers() const {
  for (int i = 0; i < pool_.size(); ++i) {
    if (pool_.answers(i)) return true;
  }
  return false;
}

// Names of those that may still take the current version.
std::string RolloutWorkers::NotReady() const {
  std::string names;
  for (int i = 0; i < pool_.size(); ++i) {
    const Endpoint endpoint = pool_.endpoint(i);
    if (endpoint.ready || !endpoint.failure.empty()) continue;
    names += (names.empty() ? "" : ", ") + pool_.name(i);
    if (!pool_.answers(i)) names += " (does not answer)";
  }
  return names;
}

void RolloutWorkers::ThrowIfRefused() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, status] : refusals_) {
    const std::string text = name + " refuses the weights: " + std::string(status.error_message());
    if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
      throw Error(ErrorCode::kUsage, text);
    }
    if (status.error_code() == grpc::StatusCode::OUT_OF_RANGE) {
      throw Error(ErrorCode::kDiverged, text,
                  "lower the learning rate; the last checkpoint is from before");
    }
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
  rollout::v1::HealthRequest request;
  *request.mutable_run() = heading_.run();
  rollout::v1::HealthReply reply;
  const auto status = rollout::v1::Rollout::NewStub(channel)->Health(&*context, request, &reply);
  if (!status.ok()) return status;
  const std::string other = rollout::ProtocolDisagreement("the worker", reply.protocol());
  if (!other.empty()) throw Error(ErrorCode::kUnavailable, other);
  if (deterministic_) {
    const std::string own = FlagsOf(std::string(policy::SafetensorsName(dtype_)),
                                    kernels::NumericsName(numerics_), true);
    const std::string theirs = FlagsOf(reply.dtype(), reply.numerics(), reply.deterministic());
    if (own != theirs) {
      throw Error(ErrorCode::kUnavailable, "the run is deterministic and needs a worker with '" +
                                               own + "'; this one has '" + theirs + "'");
    }
  }
  heartbeat->busy = reply.running_sequences() + reply.waiting_sequences() > 0;
  heartbeat->progress = reply.tokens_computed();  // of prompts too: a long prefill moves
  const bool ours = reply.run() == rollout::NameOf(heading_.run());
  heartbeat->version = ours ? reply.policy_version() : 0;
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
  // Another run has it; or what was sent came altered, each time.
  if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION ||
      status.error_code() == grpc::StatusCode::DATA_LOSS) {
    throw Error(ErrorCode::kUnavailable, status.error_message());
  }
  const std::lock_guard lock(mutex_);
  if (status.ok()) {
    refusals_.erase(name);
    return weights->version();
  }
  refusals_[name] = status;
  return std::nullopt;
}

}  // namespace cohort::rl
