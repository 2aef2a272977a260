#include "rollout/update_call.h"

#include <exception>

namespace cohort::rollout {

UpdateCall::UpdateCall(Engine& engine, const policy::ModelConfig& config, std::atomic<bool>& busy,
                       v1::UpdateWeightsReply* reply)
    : engine_(engine),
      busy_(busy),
      owns_busy_(!busy.exchange(true)),
      reply_(reply),
      receiver_(config) {
  if (owns_busy_) {
    StartRead(&chunk_);
  } else {
    Finish({grpc::StatusCode::UNAVAILABLE, "another update of the weights is under way"});
  }
}

void UpdateCall::OnReadDone(bool ok) {
  if (!owns_busy_) return;  // already finished
  if (!ok) {
    Swap();
    return;
  }
  if (const grpc::Status status = receiver_.Accept(chunk_); !status.ok()) {
    Finish(status);
    return;
  }
  StartRead(&chunk_);
}

void UpdateCall::Swap() {
  grpc::Status status = receiver_.Finish();
  if (status.ok()) {
    try {
      swapping_ = true;
      reply_->set_policy_version(receiver_.policy_version());
      engine_.Swap(receiver_.Weights(), receiver_.policy_version(),
                   [this](const grpc::Status& swapped) { Finish(swapped); });
      return;
    } catch (const std::exception& error) {
      status = {grpc::StatusCode::INTERNAL, error.what()};
    }
  }
  Finish(status);
}

void UpdateCall::OnCancel() {
  if (swapping_) engine_.CancelSwap();
}

void UpdateCall::OnDone() {
  if (owns_busy_) busy_ = false;
  delete this;
}

}  // namespace cohort::rollout
