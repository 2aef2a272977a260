#include "rl/fleet/reward_services.h"

#include "reward/reward.grpc.pb.h"

namespace cohort::rl {
namespace {

SupervisedPoolOptions PoolOptions(const RewardServicesOptions& options) {
  SupervisedPoolOptions pool;
  static_cast<ServicesOptions&>(pool) = options;
  pool.name = "reward";
  pool.remote_name = "reward service";
  pool.command = {options.program.string(), "--workers",
                  std::to_string(ShareOfCores(options.graders, options.num_local))};
  if (options.allow_weak_sandbox) pool.command.push_back("--allow-weak-sandbox");
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
