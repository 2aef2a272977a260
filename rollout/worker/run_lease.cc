#include "rollout/worker/run_lease.h"

#include <spdlog/spdlog.h>

#include "rollout/weight_sync/handshake.h"

namespace cohort::rollout {
namespace {

grpc::Status Held(const v1::RunStart& holder, const std::string& why) {
  return {grpc::StatusCode::FAILED_PRECONDITION,
          "the worker serves " + Describe(holder) + " " + why};
}

}  // namespace

grpc::Status RunLease::Take(const v1::RunStart& run) {
  if (run.run_id().empty()) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "the manifest names no run that publishes"};
  }
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = now_();
  const bool ours = holder_.has_value() && NameOf(*holder_) == NameOf(run);
  if (holder_.has_value() && !ours && now < last_sign_ + kDuration) {
    if (holder_->run_id() != run.run_id()) {
      const auto left = std::chrono::ceil<std::chrono::seconds>(last_sign_ + kDuration - now);
      return Held(*holder_, "for " + std::to_string(left.count()) +
                                " s more, and longer while that run lives; wait for its end, or "
                                "start another worker");
    }
    if (holder_->started_ms() >= run.started_ms()) {
      return Held(*holder_, "which is a later start of the same run; end one of the two");
    }
  }
  if (!ours) spdlog::info("serving {}", Describe(run));
  holder_ = run;
  last_sign_ = now;
  return grpc::Status::OK;
}

void RunLease::Renew(const v1::RunStart& run) { Renew(NameOf(run)); }

void RunLease::Renew(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (holder_.has_value() && NameOf(*holder_) == name) last_sign_ = now_();
}

void RunLease::End(const v1::RunStart& run) {
  const std::lock_guard lock(mutex_);
  if (!holder_.has_value() || NameOf(*holder_) != NameOf(run)) return;
  spdlog::info("{} needs the worker no longer", Describe(run));
  holder_.reset();
}

}  // namespace cohort::rollout
