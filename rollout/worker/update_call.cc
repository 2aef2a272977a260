#include "rollout/worker/update_call.h"

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
    End(status);
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
  busy_ = false;
  Finish(status);
}

void UpdateCall::OnCancel() {
  if (swapping_) engine_.CancelSwap();
}

void UpdateCall::OnDone() { delete this; }

}  // namespace cohort::rollout
