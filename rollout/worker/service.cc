#include "rollout/worker/service.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <chrono>

#include "rollout/weight_sync/handshake.h"
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

grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext* context,
                                   const grpc::Status& status) {
  grpc::ServerUnaryReactor* call = context->DefaultReactor();
  call->Finish(status);
  return call;
}

}  // namespace

RolloutService::RolloutService(Engine& engine, const policy::ModelConfig& config,
                               const RolloutServiceSettings& settings)
    : engine_(engine), config_(config), settings_(settings), gate_(settings.token) {}

grpc::ServerWriteReactor<v1::Completion>* RolloutService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  if (const grpc::Status status = gate_.Check(*context); !status.ok()) {
    return new base::RefusedCall<grpc::ServerWriteReactor<v1::Completion>>(status);
  }
  lease_.Renew(request->run());
  return new GenerateCall(engine_, config_, *request);
}

grpc::ServerReadReactor<v1::WeightChunk>* RolloutService::UpdateWeights(
    grpc::CallbackServerContext* context, v1::UpdateWeightsReply* reply) {
  if (const grpc::Status status = gate_.Check(*context); !status.ok()) {
    return new base::RefusedCall<grpc::ServerReadReactor<v1::WeightChunk>>(status);
  }
  WeightReceiver::Options receiving;
  receiving.vocabulary_checksum = settings_.vocabulary_checksum;
  receiving.threads = settings_.threads;
  return new UpdateCall({engine_, config_, receiving, lease_, updating_, base_}, reply);
}

grpc::ServerUnaryReactor* RolloutService::Health(grpc::CallbackServerContext* context,
                                                 const v1::HealthRequest* request,
                                                 v1::HealthReply* reply) {
  if (const grpc::Status status = gate_.Check(*context); !status.ok()) {
    return Finished(context, status);
  }
  lease_.Renew(request->run());
  const EngineHealth health = engine_.health();
  reply->set_serving(health.serving);
  reply->set_policy_version(health.policy.version);
  reply->set_run(health.policy.run);
  reply->set_protocol(kProtocol);
  reply->set_tokens_generated(health.tokens_generated);
  reply->set_running_sequences(health.running);
  reply->set_waiting_sequences(health.waiting);
  reply->set_tokens_computed(health.tokens_computed);
  reply->set_dtype(std::string(policy::SafetensorsName(settings_.dtype)));
  reply->set_numerics(kernels::NumericsName(settings_.numerics));
  reply->set_deterministic(settings_.deterministic);
  return Finished(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* RolloutService::EndLease(grpc::CallbackServerContext* context,
                                                   const v1::EndLeaseRequest* request,
                                                   v1::EndLeaseReply*) {
  if (const grpc::Status status = gate_.Check(*context); !status.ok()) {
    return Finished(context, status);
  }
  lease_.End(request->run());
  return Finished(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* RolloutService::Drain(grpc::CallbackServerContext* context,
                                                const v1::DrainRequest*, v1::DrainReply* reply) {
  if (const grpc::Status status = gate_.Check(*context); !status.ok()) {
    return Finished(context, status);
  }
  const auto left = context->deadline() - std::chrono::system_clock::now() - kReplyTime;
  const auto limit = std::min<std::chrono::system_clock::duration>(left, kLongestDrain);
  auto* call = new DrainCall(reply, drain_answered_);
  engine_.Drain(Engine::Clock::now() + limit,
                [call](uint32_t unfinished) { call->Answer(unfinished); });
  return call;
}

}  // namespace cohort::rollout
