#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>

#include "policy/config/config.h"
#include "rollout/rollout.pb.h"
#include "rollout/weight_sync/weight_receiver.h"
#include "rollout/worker/engine.h"

namespace cohort::rollout {

// One UpdateWeights call on the server: receives, verifies, asks the engine for the swap. Deletes
// itself when gRPC is done with it.
class UpdateCall : public grpc::ServerReadReactor<v1::WeightChunk> {
 public:
  // `busy` is shared by all calls: one image at a time bounds the memory. Others get UNAVAILABLE.
  UpdateCall(Engine& engine, const policy::ModelConfig& config, std::atomic<bool>& busy,
             v1::UpdateWeightsReply* reply);

  void OnReadDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  void Swap();
  void End(const grpc::Status& status);

  Engine& engine_;
  std::atomic<bool>& busy_;
  const bool owns_busy_;
  std::atomic<bool> swapping_ = false;
  v1::UpdateWeightsReply* reply_;
  WeightReceiver receiver_;
  v1::WeightChunk chunk_;
};

}  // namespace cohort::rollout
