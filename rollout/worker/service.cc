#include "rollout/worker/service.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <chrono>

#include "rollout/worker/generate_call.h"
#include "rollout/worker/update_call.h"

namespace cohort::rollout {
namespace {

constexpr std::chrono::seconds kLongestDrain{30};
constexpr std::chrono::milliseconds kReplyTime{200};  // left for the reply to reach the caller

// Ends a Drain call with its reply, whatever the thread.
class DrainCall : public grpc::ServerUnaryReactor {
 public:
  DrainCall(v1::DrainReply* reply, std::atomic<bool>& answered)
      : reply_(reply), answered_(answered) {}

  void Answer(uint32_t unfinished) {
    reply_->set_unfinished_sequences(unfinished);
    Finish(grpc::Status::OK);
  }
  void OnDone() override {
    answered_ = true;
    delete this;
  }

 private:
  v1::DrainReply* reply_;
  std::atomic<bool>& answered_;
};

}  // namespace

RolloutService::RolloutService(Engine& engine, const policy::ModelConfig& config,
                               policy::Dtype dtype)
    : engine_(engine), config_(config), dtype_(dtype) {}

grpc::ServerWriteReactor<v1::Completion>* RolloutService::Generate(
    grpc::CallbackServerContext*, const v1::GenerateRequest* request) {
  return new GenerateCall(engine_, config_, *request);
}

grpc::ServerReadReactor<v1::WeightChunk>* RolloutService::UpdateWeights(
    grpc::CallbackServerContext*, v1::UpdateWeightsReply* reply) {
  return new UpdateCall(engine_, config_, updating_, reply);
}

grpc::ServerUnaryReactor* RolloutService::Health(grpc::CallbackServerContext* context,
                                                 const v1::HealthRequest*, v1::HealthReply* reply) {
  const EngineHealth health = engine_.health();
  reply->set_serving(health.serving);
  reply->set_policy_version(health.policy_version);
  reply->set_tokens_generated(health.tokens_generated);
  reply->set_running_sequences(health.running);
  reply->set_waiting_sequences(health.waiting);
  reply->set_tokens_computed(health.tokens_computed);
  reply->set_dtype(std::string(policy::SafetensorsName(dtype_)));
  grpc::ServerUnaryReactor* call = context->DefaultReactor();
  call->Finish(grpc::Status::OK);
  return call;
}

grpc::ServerUnaryReactor* RolloutService::Drain(grpc::CallbackServerContext* context,
                                                const v1::DrainRequest*, v1::DrainReply* reply) {
  const auto left = context->deadline() - std::chrono::system_clock::now() - kReplyTime;
  const auto limit = std::min<std::chrono::system_clock::duration>(left, kLongestDrain);
  auto* call = new DrainCall(reply, drain_answered_);
  engine_.Drain(Engine::Clock::now() + limit,
                [call](uint32_t unfinished) { call->Answer(unfinished); });
  return call;
}

}  // namespace cohort::rollout
