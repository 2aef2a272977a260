#pragma once

// The worker's gRPC face (rollout.proto). Every message is checked before anything is allocated for
// it.

#include <atomic>

#include "policy/config/config.h"
#include "rollout/rollout.grpc.pb.h"
#include "rollout/weight_dtype.h"
#include "rollout/worker/engine.h"

namespace cohort::rollout {

// Thread-safe. The engine must outlive the server this service is registered with.
class RolloutService : public v1::Rollout::CallbackService {
 public:
  // `dtype`: how the engine's decoder stores its weights, as Health reports it.
  RolloutService(Engine& engine, const policy::ModelConfig& config, policy::Dtype dtype);

  grpc::ServerWriteReactor<v1::Completion>* Generate(grpc::CallbackServerContext* context,
                                                     const v1::GenerateRequest* request) override;
  grpc::ServerReadReactor<v1::WeightChunk>* UpdateWeights(grpc::CallbackServerContext* context,
                                                          v1::UpdateWeightsReply* reply) override;
  grpc::ServerUnaryReactor* Health(grpc::CallbackServerContext* context,
                                   const v1::HealthRequest* request,
                                   v1::HealthReply* reply) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request, v1::DrainReply* reply) override;

  bool drain_answered() const { return drain_answered_; }  // the process may end

 private:
  Engine& engine_;
  const policy::ModelConfig config_;
  const policy::Dtype dtype_;
  std::atomic<bool> updating_ = false;
  std::atomic<bool> drain_answered_ = false;
};

}  // namespace cohort::rollout
