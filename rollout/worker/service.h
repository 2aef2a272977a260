#pragma once

// The worker's gRPC face (rollout.proto). Every message is checked before anything is allocated for
// it.

#include <atomic>

#include "base/rpc_token.h"
#include "kernels/cpu/ops.h"
#include "policy/config/config.h"
#include "rollout/rollout.grpc.pb.h"
#include "rollout/weight_dtype.h"
#include "rollout/weight_sync/weight_receiver.h"
#include "rollout/worker/engine.h"
#include "rollout/worker/run_lease.h"

namespace cohort::rollout {

struct RolloutServiceSettings {
  // Of the engine's decoder, as its options have them.
  policy::Dtype dtype = policy::Dtype::kFloat32;
  kernels::Numerics numerics = kernels::Numerics::kFloat32;
  bool deterministic = false;
  uint64_t vocabulary_checksum = 0;  // weight_sync/handshake.h; 0: the worker has no tokenizer
  int threads = 0;                   // that check what comes; 0: all cores
  std::string token = {};            // that callers must show; "": none
};

// Thread-safe. The engine must outlive the server this service is registered with.
class RolloutService : public v1::Rollout::CallbackService {
 public:
  RolloutService(Engine& engine, const policy::ModelConfig& config,
                 const RolloutServiceSettings& settings);

  grpc::ServerWriteReactor<v1::Completion>* Generate(grpc::CallbackServerContext* context,
                                                     const v1::GenerateRequest* request) override;
  grpc::ServerReadReactor<v1::WeightChunk>* UpdateWeights(grpc::CallbackServerContext* context,
                                                          v1::UpdateWeightsReply* reply) override;
  grpc::ServerUnaryReactor* Health(grpc::CallbackServerContext* context,
                                   const v1::HealthRequest* request,
                                   v1::HealthReply* reply) override;
  grpc::ServerUnaryReactor* EndLease(grpc::CallbackServerContext* context,
                                     const v1::EndLeaseRequest* request,
                                     v1::EndLeaseReply* reply) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request, v1::DrainReply* reply) override;

  bool drain_answered() const { return drain_answered_; }  // the process may end

 private:
  Engine& engine_;
  const policy::ModelConfig config_;
  const RolloutServiceSettings settings_;
  base::TokenGate gate_;
  RunLease lease_;
  std::atomic<bool> updating_ = false;
  BaseWeights base_;  // of the call that updates
  std::atomic<bool> drain_answered_ = false;
};

}  // namespace cohort::rollout
