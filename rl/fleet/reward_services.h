#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "rl/fleet/service_kind.h"
#include "rl/fleet/supervised_pool.h"

namespace cohort::rl {

struct RewardServicesOptions : ServicesOptions {
  std::filesystem::path program;    // cohort-reward
  int graders = 0;                  // at once in one local service; 0 = cores / local services
  bool allow_weak_sandbox = false;  // of the local ones, for the reward `code`
};

// Thread-safe.
class RewardServices final : private ServiceKind {
 public:
  explicit RewardServices(const RewardServicesOptions& options);

  SupervisedPool& pool() { return pool_; }

 private:
  grpc::Status AskHealth(const Channel& channel, CancellableCalls& calls,
                         std::chrono::milliseconds deadline, Heartbeat* heartbeat) override;

  SupervisedPool pool_;
};

}  // namespace cohort::rl
