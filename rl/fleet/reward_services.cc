#include "rl/fleet/reward_services.h"

#include <algorithm>
#include <thread>

#include "reward/reward.grpc.pb.h"

namespace cohort::rl {
namespace {

SupervisedPoolOptions PoolOptions(const RewardServicesOptions& options) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int graders =
      options.graders > 0 ? options.graders : std::max(1, cores / std::max(1, options.num_local));
  SupervisedPoolOptions pool;
  pool.name = "reward";
  pool.remote_name = "reward service";
  pool.command = {options.program.string(), "--workers", std::to_string(graders)};
  if (options.allow_weak_sandbox) pool.command.push_back("--allow-weak-sandbox");
  pool.num_local = options.num_local;
  pool.addresses = options.addresses;
  pool.log_folder = options.log_folder;
  pool.limits = options.limits;
  return pool;
}

}  // namespace

RewardServices::RewardServices(const RewardServicesOptions& options)
    : pool_(PoolOptions(options), *this) {}

grpc::Status RewardServices::AskHealth(const Channel& channel, CancellableCalls& calls,
                                       std::chrono::milliseconds deadline, Heartbeat* heartbeat) {
  CancellableCalls::Context context(calls, deadline);
  reward::HealthReply reply;
  const auto status = reward::Reward::NewStub(channel)->Health(&*context, {}, &reply);
  heartbeat->progress = reply.samples_scored();
  return status;
}

}  // namespace cohort::rl
