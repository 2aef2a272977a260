#include "rollout/worker/update_call.h"

#include <spdlog/spdlog.h>

#include <exception>
#include <utility>

#include "rollout/weight_sync/handshake.h"

namespace cohort::rollout {

UpdateCall::UpdateCall(const Worker& worker, v1::UpdateWeightsReply* reply)
    : worker_(worker),
      owns_busy_(!worker.busy.exchange(true)),
      reply_(reply),
      receiver_(worker.config, Receiving()) {
  if (owns_busy_) {
    StartRead(&chunk_);
  } else {
    Finish({grpc::StatusCode::UNAVAILABLE, "another update of the weights is under way"});
  }
}

WeightReceiver::Options UpdateCall::Receiving() const {
  WeightReceiver::Options options = worker_.receiving;
  if (owns_busy_) options.base_checksum = worker_.base.checksum;
  return options;
}

void UpdateCall::OnReadDone(bool ok) {
  if (!owns_busy_) return;  // already finished
  if (!ok) {
    Swap();
    return;
  }
  if (const grpc::Status status = Accept(); !status.ok()) {
    End(status);
    return;
  }
  StartRead(&chunk_);
}

grpc::Status UpdateCall::Accept() {
  const bool first = chunk_.has_manifest();
  if (const grpc::Status status = receiver_.Accept(chunk_); !status.ok()) {
    // A base that is asked for is sent: nobody need do anything.
    const bool asks = status.error_code() == grpc::StatusCode::ABORTED;
    if (first && !asks) spdlog::warn("weights refused: {}", status.error_message());
    return status;
  }
  if (!first) {
    worker_.lease.Renew(run_);
    return grpc::Status::OK;
  }
  run_ = chunk_.manifest().run();
  const grpc::Status status = worker_.lease.Take(run_);
  if (!status.ok()) spdlog::warn("{} is refused: {}", Describe(run_), status.error_message());
  return status;
}

void UpdateCall::Swap() {
  grpc::Status status = receiver_.Finish();
  if (status.ok()) {
    reply_->set_policy_version(receiver_.policy_version());
    if (receiver_.is_base()) {
      worker_.base = receiver_.Base();
      return End(status);
    }
    try {
      swapping_ = true;
      auto policy = receiver_.PolicyWith(worker_.base);
      if (!receiver_.adapters()) worker_.base = {};
      worker_.engine.Swap(std::move(policy), {NameOf(run_), receiver_.policy_version()},
                          [this](const grpc::Status& swapped) { End(swapped); });
      return;
    } catch (const std::exception& error) {
      status = {grpc::StatusCode::INTERNAL, error.what()};
    }
  }
  End(status);
}

// Not busy before the status is sent: a client that sees it may send the next update at once.
void UpdateCall::End(const grpc::Status& status) {
  worker_.lease.Renew(run_);
  worker_.busy = false;
  Finish(status);
}

void UpdateCall::OnCancel() {
  if (swapping_) worker_.engine.CancelSwap();
}

void UpdateCall::OnDone() { delete this; }

}  // namespace cohort::rollout
