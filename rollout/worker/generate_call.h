#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <mutex>

#include "policy/config/config.h"
#include "rollout/rollout.pb.h"
#include "rollout/worker/engine.h"

namespace cohort::rollout {

// One Generate call on the server: the engine's completions become the stream's messages. Lives
// until the engine has said its last word and gRPC has sent it; deletes itself then.
class GenerateCall : public grpc::ServerWriteReactor<v1::Completion> {
 public:
  GenerateCall(Engine& engine, const policy::ModelConfig& config,
               const v1::GenerateRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;  // the client went away, or its deadline passed
  void OnDone() override;

 private:
  void Push(const SampledCompletion& completion, const std::string& run);
  void End(const grpc::Status& status);

  Engine& engine_;
  uint64_t request_id_ = 0;  // 0: never submitted
  std::mutex mutex_;
  std::deque<v1::Completion> queue_;  // front is being written; at most the request's samples
  bool writing_ = false;
  bool ended_ = false;
  grpc::Status status_;
};

}  // namespace cohort::rollout
