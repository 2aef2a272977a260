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
  if (options.dtype == policy::Dtype::kBFloat16) {
    pool.command.insert(pool.command.end(),
                        {"--numerics", kernels::NumericsName(options.numerics)});
  }
  if (options.deterministic) pool.command.push_back("--deterministic");
  return pool;
}

// What a worker must be started with to compute as a deterministic run's learner does.
std::string FlagsOf(const std::string& dtype, const std::string& numerics, bool deterministic) {
  const bool halves = dtype == policy::SafetensorsName(policy::Dtype::kBFloat16);
  return std::string("--dtype ") + (halves ? "bfloat16 --numerics " + numerics : "float32") +
         (deterministic ? " --deterministic" : "");
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

void RolloutWorkers::Publish(int64_t version, const std::function<PublishedPolicy()>& policy) {
  if (version == published_version()) return;
  Replace(policy(), version);
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

// The image of the version before is written over: every worker that answers has taken it, and one
// that asks meanwhile is served with the next. Where a call still sends it (a worker that came back
// within the step), it stays until that call's end, and the next version has an image of its own.
void RolloutWorkers::Replace(const PublishedPolicy& policy, int64_t version) {
  rollout::v1::WeightManifest heading = heading_;
  heading.set_policy_version(version);
  const bool adapters = policy.adapter.has_value();
  if (adapters && base_ == nullptr) {
    heading.set_content(rollout::v1::WEIGHT_CONTENT_BASE);
    // In the learner's own dtype, as what adapters are added to before it is rounded.
    auto base =
        std::make_shared<PublishedWeights>(policy.weights(), heading, policy::Dtype::kFloat32);
    const std::lock_guard lock(mutex_);
    base_ = std::move(base);
  }
  if (adapters) {
    heading.set_content(rollout::v1::WEIGHT_CONTENT_ADAPTERS);
    heading.set_base_checksum(base_->manifest().base_checksum());
    heading.set_adapter_scale(policy.adapter->config.scale());
  }
  std::shared_ptr<PublishedWeights> before;
  {
    const std::lock_guard lock(mutex_);
    before = std::move(current_);
  }
  std::unique_ptr<rollout::SharedImage> recycled;
  if (before != nullptr && before.use_count() == 1) recycled = std::move(*before).TakeImage();
  before.reset();
  auto image = std::make_shared<PublishedWeights>(
      adapters ? policy.adapter->weights : policy.weights(), heading,
      adapters ? policy::Dtype::kFloat32 : dtype_, std::move(recycled));
  const std::lock_guard lock(mutex_);
  current_ = std::move(image);
  version_ = version;
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
  {
    const std::lock_guard lock(mutex_);
    said_numerics_[channel.get()] = reply.numerics();
  }
  const bool ours = reply.run() == rollout::NameOf(heading_.run());
  heartbeat->version = ours ? reply.policy_version() : 0;
  return status;
}

int64_t RolloutWorkers::wanted_version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

int64_t RolloutWorkers::published_bytes() const {
  const std::lock_guard lock(mutex_);
  return current_ == nullptr ? 0 : static_cast<int64_t>(current_->manifest().total_bytes());
}

// Once, of a worker whose class is neither the learner's nor that of a worker of rollout.dtype.
void RolloutWorkers::TellOtherNumerics(const std::string& name, const std::string& said) {
  const std::string learners = kernels::NumericsName(numerics_);
  const bool rounds = dtype_ == policy::Dtype::kBFloat16;
  const std::string fp32 = kernels::NumericsName(kernels::Numerics::kFloat32);
  if (said.empty() || said == learners || (!rounds && said == fp32)) return;
  if (!told_.insert(name + " " + said).second) return;
  const bool plain = numerics_ == kernels::Numerics::kFloat32;
  spdlog::warn(
      "{} multiplies in {} and the learner in {}: their logprobs differ by rounding; start it with "
      "{}--numerics {}",
      name, said, learners, plain ? "" : "--dtype bfloat16 ", learners);
}

std::optional<int64_t> RolloutWorkers::Update(const std::string& name, const Channel& channel,
                                              const std::string& address, CancellableCalls& calls) {
  std::shared_ptr<const PublishedWeights> weights, base;
  {
    const std::lock_guard lock(mutex_);
    if (version_ == 0) return 0;
    if (current_ == nullptr) return std::nullopt;  // it is being written
    weights = current_;
    base = base_;
  }
  SendOptions send;
  send.same_host = IsThisHost(address);
  send.deadline = publish_deadline_;
  const auto stub = rollout::v1::Rollout::NewStub(channel);
  grpc::Status status = SendWeights(*stub, calls, *weights, send);
  if (base != nullptr && status.error_code() == grpc::StatusCode::ABORTED) {  // it has no base
    status = SendWeights(*stub, calls, *base, send);
    if (status.ok()) status = SendWeights(*stub, calls, *weights, send);
  }
  // Another run has it; or what was sent came altered, each time.
  if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION ||
      status.error_code() == grpc::StatusCode::DATA_LOSS) {
    throw Error(ErrorCode::kUnavailable, status.error_message());
  }
  const std::lock_guard lock(mutex_);
  if (status.ok()) {
    TellOtherNumerics(name, said_numerics_[channel.get()]);
    refusals_.erase(name);
    return weights->version();
  }
  refusals_[name] = status;
  return std::nullopt;
}

}  // namespace cohort::rl
