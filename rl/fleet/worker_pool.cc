#include "rl/fleet/worker_pool.h"

#include <spdlog/spdlog.h>
#include <stdlib.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.h"
#include "reward/reward.grpc.pb.h"
#include "rl/fleet/channel.h"
#include "rl/fleet/interrupt.h"
#include "rl/fleet/supervisor.h"
#include "rl/fleet/weight_publish.h"

namespace cohort::rl {
namespace {

using Clock = std::chrono::steady_clock;

// A folder for sockets; under /tmp because a socket's path has at most 107 bytes.
class SocketFolder {
 public:
  SocketFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "cohort-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) {
      throw Error(ErrorCode::kEnvironment, "cannot make a folder for sockets: " + path);
    }
    path_ = path;
  }
  ~SocketFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  SocketFolder(const SocketFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

grpc::Status AskRollout(const std::shared_ptr<grpc::Channel>& channel, CancellableCalls& calls,
                        std::chrono::milliseconds deadline, Heartbeat* heartbeat) {
  CancellableCalls::Context context(calls, deadline);
  rollout::v1::HealthReply reply;
  const auto status = rollout::v1::Rollout::NewStub(channel)->Health(&*context, {}, &reply);
  heartbeat->busy = reply.running_sequences() + reply.waiting_sequences() > 0;
  heartbeat->progress = reply.tokens_computed();
  heartbeat->policy_version = reply.policy_version();
  return status;
}

grpc::Status AskReward(const std::shared_ptr<grpc::Channel>& channel, CancellableCalls& calls,
                       std::chrono::milliseconds deadline, Heartbeat* heartbeat) {
  CancellableCalls::Context context(calls, deadline);
  reward::HealthReply reply;
  const auto status = reward::Reward::NewStub(channel)->Health(&*context, {}, &reply);
  heartbeat->progress = reply.samples_scored();
  return status;
}

std::vector<std::string> RolloutCommand(const WorkerPoolOptions& options) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int threads =
      options.threads > 0 ? options.threads : std::max(1, cores / options.num_rollout_workers);
  std::vector<std::string> command = {options.rollout_program.string()};
  if (options.model.empty()) {
    command.insert(command.end(), {"--config", options.config.string()});
  } else {
    command.insert(command.end(), {"--model", options.model});
  }
  const int64_t kv_cache_mb = std::max<int64_t>(1, options.kv_cache_bytes >> 20);
  command.insert(command.end(), {"--dtype", options.dtype, "--threads", std::to_string(threads),
                                 "--kv-cache-mb", std::to_string(kv_cache_mb)});
  return command;
}

}  // namespace

struct WorkerPool::Impl {
  WorkerPoolOptions options;
  SocketFolder sockets;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<PublishedWeights> current;
  // The version before, for its image: a worker that answers has taken `current` since.
  std::shared_ptr<PublishedWeights> previous;
  std::map<std::string, grpc::Status> refusals;  // by worker: why it did not take `current`
  // Last: their threads use all of the above.
  std::vector<std::unique_ptr<ServiceKeeper>> rollout_workers;
  std::vector<std::unique_ptr<ServiceKeeper>> reward_services;

  KeeperOptions Base(const std::string& name) {
    KeeperOptions keeper;
    keeper.name = name;
    keeper.log = options.log_folder / (name + ".log");
    keeper.socket_folder = sockets.path();
    keeper.limits = &options;
    keeper.on_change = [this] {
      std::lock_guard lock(mutex);
      changed.notify_all();
    };
    return keeper;
  }
  KeeperOptions RolloutKeeper(const std::string& name);
  KeeperOptions RewardKeeper(const std::string& name);
  std::optional<int64_t> Update(const std::string& name,
                                const std::shared_ptr<grpc::Channel>& channel,
                                const std::string& address, CancellableCalls& calls);
  void AwaitLocalProcesses();
  bool PublishSettled();
};

KeeperOptions WorkerPool::Impl::RolloutKeeper(const std::string& name) {
  KeeperOptions keeper = Base(name);
  keeper.ask = [this](const auto& channel, CancellableCalls& calls, Heartbeat* heartbeat) {
    return AskRollout(channel, calls, options.heartbeat, heartbeat);
  };
  keeper.prepare = [this, name](const auto& channel, const std::string& address,
                                CancellableCalls& calls) {
    return Update(name, channel, address, calls);
  };
  keeper.wanted_version = [this] {
    std::lock_guard lock(mutex);
    return current == nullptr ? 0 : current->version();
  };
  return keeper;
}

KeeperOptions WorkerPool::Impl::RewardKeeper(const std::string& name) {
  KeeperOptions keeper = Base(name);
  keeper.ask = [this](const auto& channel, CancellableCalls& calls, Heartbeat* heartbeat) {
    return AskReward(channel, calls, options.heartbeat, heartbeat);
  };
  keeper.prepare = [](const auto&, const std::string&, CancellableCalls&) { return 0; };
  keeper.wanted_version = [] { return 0; };
  return keeper;
}

// On the keeper's thread.
std::optional<int64_t> WorkerPool::Impl::Update(const std::string& name,
                                                const std::shared_ptr<grpc::Channel>& channel,
                                                const std::string& address,
                                                CancellableCalls& calls) {
  std::shared_ptr<const PublishedWeights> weights;
  {
    std::lock_guard lock(mutex);
    weights = current;
  }
  if (weights == nullptr) return 0;
  SendOptions send;
  send.same_host = IsThisHost(address);
  send.deadline = options.publish_deadline;
  const auto stub = rollout::v1::Rollout::NewStub(channel);
  const grpc::Status status = SendWeights(*stub, calls, *weights, send);
  std::lock_guard lock(mutex);
  if (status.ok()) {
    refusals.erase(name);
    return weights->version();
  }
  refusals[name] = status;
  return std::nullopt;
}

WorkerPool::WorkerPool(WorkerPoolOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
}

WorkerPool::~WorkerPool() { Stop(); }

void WorkerPool::Start() {
  Impl& impl = *impl_;
  const WorkerPoolOptions& options = impl.options;
  COHORT_CHECK(impl.rollout_workers.empty(), "a pool is started once");
  const auto start = [](auto* keepers, KeeperOptions keeper) {
    keepers->push_back(std::make_unique<ServiceKeeper>(std::move(keeper)));
  };
  for (int i = 0; i < options.num_rollout_workers; ++i) {
    KeeperOptions keeper = impl.RolloutKeeper("rollout-" + std::to_string(i));
    keeper.command = RolloutCommand(options);
    start(&impl.rollout_workers, std::move(keeper));
  }
  for (int i = 0; i < options.num_reward_services; ++i) {
    KeeperOptions keeper = impl.RewardKeeper("reward-" + std::to_string(i));
    keeper.command = {options.reward_program.string(), "--workers",
                      std::to_string(options.reward_workers)};
    if (options.allow_weak_sandbox) keeper.command.push_back("--allow-weak-sandbox");
    start(&impl.reward_services, std::move(keeper));
  }
  for (const std::string& address : options.rollout_addresses) {
    KeeperOptions keeper = impl.RolloutKeeper("rollout worker " + address);
    keeper.address = address;
    start(&impl.rollout_workers, std::move(keeper));
  }
  for (const std::string& address : options.reward_addresses) {
    KeeperOptions keeper = impl.RewardKeeper("reward service " + address);
    keeper.address = address;
    start(&impl.reward_services, std::move(keeper));
  }
  impl.AwaitLocalProcesses();
}

void WorkerPool::Impl::AwaitLocalProcesses() {
  const auto end = Clock::now() + options.start_deadline;
  std::vector<const ServiceKeeper*> local;
  for (int i = 0; i < options.num_rollout_workers; ++i) local.push_back(rollout_workers[i].get());
  for (int i = 0; i < options.num_reward_services; ++i) local.push_back(reward_services[i].get());
  std::unique_lock lock(mutex);
  while (true) {
    bool all = true;
    lock.unlock();  // a keeper reads the wanted version under it
    for (const ServiceKeeper* keeper : local) {
      const std::string failure = keeper->endpoint().failure;
      if (!failure.empty()) throw Error(ErrorCode::kEnvironment, failure);
      all = all && keeper->answers();
    }
    if (all) return;
    if (Clock::now() >= end) {
      throw Error(ErrorCode::kEnvironment,
                  "the workers did not all answer within " +
                      std::to_string(options.start_deadline.count() / 1000) + " s",
                  "their logs are in " + options.log_folder.string());
    }
    lock.lock();
    changed.wait_for(lock, std::chrono::milliseconds(20));
  }
}

void WorkerPool::Publish(const policy::WeightMap& weights, int64_t version) {
  std::unique_ptr<rollout::SharedImage> recycled;
  if (impl_->previous != nullptr && impl_->previous.use_count() == 1) {  // no call sends it
    recycled = std::move(*impl_->previous).TakeImage();
  }
  impl_->previous.reset();
  auto image = std::make_shared<PublishedWeights>(weights, version,
                                                  impl_->options.dtype == "bfloat16"
                                                      ? rollout::WeightDtype::kBFloat16
                                                      : rollout::WeightDtype::kFloat32,
                                                  std::move(recycled));
  {
    std::lock_guard lock(impl_->mutex);
    impl_->previous = std::exchange(impl_->current, std::move(image));
    impl_->refusals.clear();
  }
  const auto end = Clock::now() + impl_->options.publish_deadline;
  for (const auto& keeper : impl_->rollout_workers) keeper->LookNow();
  while (!impl_->PublishSettled()) {
    std::unique_lock lock(impl_->mutex);
    if (Clock::now() >= end) {
      std::string reasons;
      for (const auto& [name, status] : impl_->refusals) {
        reasons += "; " + name + ": " + status.error_message();
      }
      throw Error(ErrorCode::kUnavailable, "no worker took weights version " +
                                               std::to_string(version) + " in time" + reasons);
    }
    if (InterruptRequested()) {
      throw Error(ErrorCode::kInterrupted, "stopped while no worker answers",
                  "the same command goes on from the last checkpoint");
    }
    impl_->changed.wait_for(lock, std::chrono::milliseconds(5));
  }
}

// Every worker that answers has the current version, and at least one does.
bool WorkerPool::Impl::PublishSettled() {
  {
    std::lock_guard lock(mutex);
    for (const auto& [name, status] : refusals) {
      if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
        throw Error(ErrorCode::kUsage,
                    name + " refuses the weights: " + std::string(status.error_message()));
      }
    }
  }
  int ready = 0;
  size_t failed = 0;
  std::string failure;
  for (const auto& keeper : rollout_workers) {
    const Endpoint endpoint = keeper->endpoint();
    if (endpoint.ready) ready++;
    if (!endpoint.ready && keeper->answers()) return false;
    if (!endpoint.failure.empty()) {
      failed++;
      failure = endpoint.failure;
    }
  }
  if (failed == rollout_workers.size()) throw Error(ErrorCode::kUnavailable, failure);
  return ready > 0;
}

void WorkerPool::Stop() {
  for (const auto& keeper : impl_->rollout_workers) keeper->RequestStop();
  for (const auto& keeper : impl_->reward_services) keeper->RequestStop();
  impl_->rollout_workers.clear();
  impl_->reward_services.clear();
}

int WorkerPool::num_rollout_workers() const {
  return static_cast<int>(impl_->rollout_workers.size());
}
int WorkerPool::num_reward_services() const {
  return static_cast<int>(impl_->reward_services.size());
}
Endpoint WorkerPool::rollout_worker(int index) const {
  return impl_->rollout_workers.at(index)->endpoint();
}
Endpoint WorkerPool::reward_service(int index) const {
  return impl_->reward_services.at(index)->endpoint();
}
pid_t WorkerPool::rollout_pid(int index) const { return impl_->rollout_workers.at(index)->pid(); }
pid_t WorkerPool::reward_pid(int index) const { return impl_->reward_services.at(index)->pid(); }

int64_t WorkerPool::published_version() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->current == nullptr ? 0 : impl_->current->version();
}

uint32_t WorkerPool::restarts() const {
  uint32_t restarts = 0;
  for (const auto& keeper : impl_->rollout_workers) restarts += keeper->restarts();
  for (const auto& keeper : impl_->reward_services) restarts += keeper->restarts();
  return restarts;
}

void WorkerPool::ReportBroken(const Endpoint& endpoint) {
  const auto look = [&](const auto& keepers) {
    for (const auto& keeper : keepers) {
      if (keeper->endpoint().channel == endpoint.channel) keeper->LookNow();
    }
  };
  look(impl_->rollout_workers);
  look(impl_->reward_services);
}

}  // namespace cohort::rl
