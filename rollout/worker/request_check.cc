#include "rollout/worker/request_check.h"

#include <cmath>
#include <string>
#include <unordered_set>

#include "policy/config/routing_format.h"

namespace cohort::rollout {
namespace {

constexpr int kMaxStopIds = 256;

grpc::Status Invalid(const std::string& message) {
  return {grpc::StatusCode::INVALID_ARGUMENT, message};
}

grpc::Status CheckId(int32_t id, const policy::ModelConfig& config, const std::string& where) {
  if (id >= 0 && id < config.vocab_size) return grpc::Status::OK;
  return Invalid(where + " holds token " + std::to_string(id) + "; expected 0 to " +
                 std::to_string(config.vocab_size - 1));
}

grpc::Status CheckSampling(const v1::SamplingParams& params, const policy::ModelConfig& config,
                           Sampling* sampling) {
  if (!std::isfinite(params.temperature()) || params.temperature() < 0) {
    return Invalid("sampling.temperature must be finite and at least 0");
  }
  if (params.temperature() > 0 && params.temperature() < kLeastTemperature) {
    return Invalid("sampling.temperature is too small; give 0 (greedy) or at least 0.001");
  }
  if (!(params.top_p() >= 0 && params.top_p() <= 1)) {
    return Invalid("sampling.top_p must be between 0 and 1");
  }
  if (params.max_new_tokens() < 1 || params.max_new_tokens() > config.max_positions) {
    return Invalid("sampling.max_new_tokens is " + std::to_string(params.max_new_tokens()) +
                   "; expected 1 to " + std::to_string(config.max_positions));
  }
  if (params.stop_ids_size() > kMaxStopIds) {
    return Invalid("sampling.stop_ids has more than " + std::to_string(kMaxStopIds) + " entries");
  }
  for (const int32_t id : params.stop_ids()) {
    if (auto status = CheckId(id, config, "sampling.stop_ids"); !status.ok()) return status;
  }
  sampling->temperature = params.temperature();
  // The whole vocabulary is the same as no limit.
  sampling->top_k = params.top_k() >= config.vocab_size ? 0 : static_cast<int32_t>(params.top_k());
  sampling->top_p = params.top_p() == 0 ? 1.0 : params.top_p();
  sampling->max_new_tokens = static_cast<int32_t>(params.max_new_tokens());
  sampling->stop_ids.assign(params.stop_ids().begin(), params.stop_ids().end());
  sampling->seed = params.seed();
  return grpc::Status::OK;
}

grpc::Status CheckGroup(const v1::PromptGroup& group, const policy::ModelConfig& config) {
  const std::string name = "group " + std::to_string(group.group_id());
  if (group.prompt_ids().empty()) return Invalid(name + " has an empty prompt");
  if (group.prompt_ids_size() >= config.max_positions) {
    return Invalid(name + " has a prompt of " + std::to_string(group.prompt_ids_size()) +
                   " tokens; the context holds " + std::to_string(config.max_positions) +
                   ", the completion included");
  }
  if (group.sample_ids().empty()) return Invalid(name + " asks for no sample");
  for (const int32_t id : group.prompt_ids()) {
    if (auto status = CheckId(id, config, name); !status.ok()) return status;
  }
  return grpc::Status::OK;
}

}  // namespace

grpc::Status CheckRequest(const v1::GenerateRequest& request, const policy::ModelConfig& config,
                          std::vector<GroupRequest>* groups) {
  if (request.groups().empty()) return Invalid("the request has no groups");
  Sampling sampling;
  sampling.record_routing = request.record_routing();
  if (sampling.record_routing && policy::RoutingFormatOf(config).moe_layers == 0) {
    return Invalid("record_routing is set, and the model has no mixture of experts");
  }
  if (auto status = CheckSampling(request.sampling(), config, &sampling); !status.ok()) {
    return status;
  }
  std::unordered_set<uint64_t> sample_ids;
  for (const v1::PromptGroup& group : request.groups()) {
    if (auto status = CheckGroup(group, config); !status.ok()) return status;
    for (const uint64_t id : group.sample_ids()) {
      if (!sample_ids.insert(id).second) {
        return Invalid("sample_id " + std::to_string(id) + " appears twice");
      }
    }
  }
  for (const v1::PromptGroup& group : request.groups()) {
    groups->push_back({.group_id = group.group_id(),
                       .prompt_ids = {group.prompt_ids().begin(), group.prompt_ids().end()},
                       .sample_ids = {group.sample_ids().begin(), group.sample_ids().end()},
                       .sampling = sampling});
  }
  return grpc::Status::OK;
}

v1::Completion ToMessage(const SampledCompletion& completion) {
  v1::Completion message;
  message.set_group_id(completion.group_id);
  message.set_sample_id(completion.sample_id);
  message.mutable_ids()->Add(completion.ids.begin(), completion.ids.end());
  message.mutable_rollout_logprobs()->Add(completion.rollout_logprobs.begin(),
                                          completion.rollout_logprobs.end());
  message.set_finish_reason(completion.finish_reason == FinishReason::kStop
                                ? v1::FINISH_REASON_STOP
                                : v1::FINISH_REASON_LENGTH);
  message.set_policy_version(completion.policy_version);
  message.set_routing(completion.routing);
  message.set_prompt_routing(completion.prompt_routing);
  return message;
}

}  // namespace cohort::rollout
