#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>

#include "policy/config/config.h"
#include "rollout/rollout.pb.h"
#include "rollout/weight_sync/weight_receiver.h"
#include "rollout/worker/engine.h"
#include "rollout/worker/run_lease.h"

namespace cohort::rollout {

// One UpdateWeights call on the server: receives, verifies, asks the engine for the swap. Deletes
// itself when gRPC is done with it.
class UpdateCall : public grpc::ServerReadReactor<v1::WeightChunk> {
 public:
  // State that all calls of a worker share.
  struct Worker {
    Engine& engine;
    const policy::ModelConfig& config;
    WeightReceiver::Options receiving;
    RunLease& lease;
    std::atomic<bool>& busy;  // one image at a time bounds the memory; others get UNAVAILABLE
    BaseWeights& base;        // of the call that is busy
  };

  UpdateCall(const Worker& worker, v1::UpdateWeightsReply* reply);

  void OnReadDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  WeightReceiver::Options Receiving() const;
  grpc::Status Accept();
  void Swap();
  void End(const grpc::Status& status);

  const Worker worker_;
  const bool owns_busy_;
  std::atomic<bool> swapping_ = false;
  v1::UpdateWeightsReply* reply_;
  v1::RunStart run_;  // the sender, from the first chunk on
  WeightReceiver receiver_;
  v1::WeightChunk chunk_;
};

}  // namespace cohort::rollout
