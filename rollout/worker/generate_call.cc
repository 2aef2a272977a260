#include "rollout/worker/generate_call.h"

#include <utility>
#include <vector>

#include "rollout/worker/request_check.h"

namespace cohort::rollout {

GenerateCall::GenerateCall(Engine& engine, const policy::ModelConfig& config,
                           const v1::GenerateRequest& request)
    : engine_(engine) {
  std::vector<GroupRequest> groups;
  grpc::Status status = CheckRequest(request, config, &groups);
  if (status.ok()) {
    RequestSink sink{[this](const SampledCompletion& completion, const std::string& run) {
                       Push(completion, run);
                     },
                     [this](const grpc::Status& end) { End(end); }};
    status = engine_.Submit(std::move(groups), {request.run(), request.policy_version()},
                            std::move(sink), &request_id_);
  }
  if (!status.ok()) Finish(status);
}

// Writes and Finish are started outside the lock: gRPC may react to them on the same thread.
void GenerateCall::Push(const SampledCompletion& completion, const std::string& run) {
  v1::Completion message = ToMessage(completion);
  message.set_run(run);
  const v1::Completion* first = nullptr;
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(message));
    if (std::exchange(writing_, true)) return;
    first = &queue_.front();
  }
  StartWrite(first);
}

void GenerateCall::OnWriteDone(bool ok) {
  const v1::Completion* next = nullptr;
  grpc::WriteOptions options;
  bool finish = false;
  {
    std::lock_guard lock(mutex_);
    queue_.pop_front();
    if (!ok) queue_.clear();
    if (!queue_.empty()) next = &queue_.front();
    if (queue_.size() > 1) options.set_buffer_hint();  // more follows at once: fewer packets
    writing_ = next != nullptr;
    finish = !writing_ && ended_;
  }
  if (!ok) engine_.Cancel(request_id_);
  if (finish) {
    Finish(status_);
  } else if (next != nullptr) {
    StartWrite(next, options);
  }
}

void GenerateCall::End(const grpc::Status& status) {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    status_ = status;
    if (writing_) return;
  }
  Finish(status);
}

void GenerateCall::OnCancel() {
  if (request_id_ != 0) engine_.Cancel(request_id_);
}

void GenerateCall::OnDone() { delete this; }

}  // namespace cohort::rollout
