#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>

#include "rollout/rollout.pb.h"

namespace cohort::rollout {

// Which run a worker serves: two learners that publish to one worker would train on each other's
// samples. Thread-safe.
class RunLease {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kDuration{60};  // after the holder's last sign of life

  explicit RunLease(std::function<Clock::time_point()> now = Clock::now) : now_(std::move(now)) {}

  // A publisher's: OK where it holds the worker from here on. A later start of the holder's run
  // takes its place at once. Else FAILED_PRECONDITION: who holds it, until when, what to do;
  // INVALID_ARGUMENT where it names no run.
  grpc::Status Take(const v1::RunStart& run);
  // A sign of life of the holder; of others nothing.
  void Renew(const v1::RunStart& run);
  void Renew(const std::string& name);  // RUN_ID/STARTED_MS
  void End(const v1::RunStart& run);

 private:
  const std::function<Clock::time_point()> now_;
  std::mutex mutex_;
  std::optional<v1::RunStart> holder_;
  Clock::time_point last_sign_;
};

}  // namespace cohort::rollout
