#include "rl/rollouts/sampling_lane.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "base/error.h"
#include "rollout/rollout.grpc.pb.h"

namespace cohort::rl {
namespace {

constexpr size_t kMaxRequestTokens = 400'000;  // 5 bytes each at most: under gRPC's 4 MiB

void FillSampling(const rollout::Sampling& sampling, rollout::v1::SamplingParams* params) {
  params->set_temperature(sampling.temperature);
  params->set_top_k(static_cast<uint32_t>(std::max(0, sampling.top_k)));
  params->set_top_p(sampling.top_p);
  params->set_max_new_tokens(static_cast<uint32_t>(std::max(0, sampling.max_new_tokens)));
  params->mutable_stop_ids()->Add(sampling.stop_ids.begin(), sampling.stop_ids.end());
  params->set_seed(sampling.seed);
}

// The worker was not at fault and may take the same groups later.
bool IsRefusal(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED ||
         status.error_code() == grpc::StatusCode::FAILED_PRECONDITION;
}

size_t FairShare(size_t groups, int workers) {
  const size_t parts = static_cast<size_t>(std::max(1, workers));
  return (groups + parts - 1) / parts;
}

}  // namespace

SamplingLane::SamplingLane(CollectState& state, ServicePool& workers, Environment& environment,
                           const rollout::Sampling& sampling, int64_t policy_version,
                           const Options& options, const Detokenize& detokenize, Finish finish)
    : state_(state),
      workers_(workers),
      environment_(environment),
      sampling_(sampling),
      policy_version_(policy_version),
      options_(options),
      detokenize_(detokenize),
      finish_(std::move(finish)),
      groups_per_call_(FairShare(state.groups().size(), workers.size())) {
  for (size_t i = 0; i < state.groups().size(); ++i) {
    PendingGroup pending{i, {}};
    for (const Episode& episode : state.groups()[i].episodes) {
      pending.sample_ids.push_back(episode.sample_id);
    }
    if (!pending.sample_ids.empty()) pending_.push_back(std::move(pending));
  }
}

Awaitable<Lane::Served> SamplingLane::Serve(const Endpoint& endpoint, int index) {
  std::vector<PendingGroup> taken = Take();
  const size_t sampled_before = state_.sampled();
  const rollout::v1::GenerateRequest request = Request(taken);
  const auto stub = rollout::v1::Rollout::NewStub(endpoint.channel);
  const auto stream = std::make_shared<MessageStream<rollout::v1::Completion>>(state_.executor(),
                                                                               options_.deadline);
  stub->async()->Generate(&stream->context(), &request, stream.get());
  const grpc::Status status = co_await state_.ReadAll(
      stream, workers_, index, endpoint,
      [this, index](const rollout::v1::Completion& completion) { Accept(completion, index); });
  Return(std::move(taken), status);
  co_return Served{status, state_.sampled() > sampled_before};
}

// A fair share of the whole, bounded in samples and in bytes.
std::vector<SamplingLane::PendingGroup> SamplingLane::Take() {
  std::vector<PendingGroup> taken;
  size_t samples = 0;
  size_t tokens = 0;
  while (!pending_.empty() && taken.size() < groups_per_call_) {
    const PendingGroup& next = pending_.front();
    samples += next.sample_ids.size();
    tokens += state_.groups()[next.group].problem->prompt_ids.size() + 2 * next.sample_ids.size();
    const bool too_much = samples > static_cast<size_t>(options_.max_outstanding_samples) ||
                          tokens > kMaxRequestTokens;
    if (too_much && !taken.empty()) break;
    taken.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  return taken;
}

rollout::v1::GenerateRequest SamplingLane::Request(const std::vector<PendingGroup>& taken) const {
  rollout::v1::GenerateRequest request;
  request.set_policy_version(policy_version_);
  request.set_run(options_.run);
  request.set_record_routing(sampling_.record_routing);
  FillSampling(sampling_, request.mutable_sampling());
  for (const PendingGroup& pending : taken) {
    const EpisodeGroup& group = state_.groups()[pending.group];
    rollout::v1::PromptGroup& prompt = *request.add_groups();
    prompt.set_group_id(group.group_id);
    prompt.mutable_prompt_ids()->Add(group.problem->prompt_ids.begin(),
                                     group.problem->prompt_ids.end());
    prompt.mutable_sample_ids()->Add(pending.sample_ids.begin(), pending.sample_ids.end());
  }
  return request;
}

// Why a completion cannot be of this policy and this request; "" where it may be.
std::string SamplingLane::FaultOf(const rollout::v1::Completion& completion) {
  constexpr float kRounding = 1e-3f;  // a logprob of 0 may come out above it
  if (!options_.run.empty() && completion.run() != options_.run) {
    return "a completion under the weights of run '" + completion.run() +
           "', which is not this one";
  }
  if (completion.ids_size() > sampling_.max_new_tokens) {
    return std::to_string(completion.ids_size()) + " tokens where at most " +
           std::to_string(sampling_.max_new_tokens) + " were asked for";
  }
  for (const int32_t id : completion.ids()) {
    if (id < 0 || (options_.vocab_size > 0 && id >= options_.vocab_size)) {
      return "token " + std::to_string(id) + " of a vocabulary of " +
             std::to_string(options_.vocab_size);
    }
  }
  for (const float logprob : completion.rollout_logprobs()) {
    if (std::isfinite(logprob) && logprob <= kRounding) continue;
    std::ostringstream text;
    text << "a logprob of " << logprob;
    return text.str();
  }
  return sampling_.record_routing ? RoutingFaultOf(completion) : "";
}

// The first completion of a group that a call brings has the prompt's routing.
std::string SamplingLane::RoutingFaultOf(const rollout::v1::Completion& completion) {
  const CollectState::Sample* const sample = state_.Find(completion.sample_id());
  if (sample == nullptr) return "";
  const int64_t computed = std::max(0, completion.ids_size() - 1);
  if (computed > 0 && completion.routing().empty()) {
    return "no routing, which was asked for (rollout.routing_replay): it may be of an older "
           "release";
  }
  std::string fault = options_.routing.FaultOf(completion.routing(), computed);
  const std::string& prompt = completion.prompt_routing();
  if (!fault.empty()) return fault;
  const EpisodeGroup& group = state_.groups()[sample->group];
  if (prompt.empty()) {
    return group.prompt_routing != nullptr ? "" : "no routing of the prompt, which was asked for";
  }
  fault = options_.routing.FaultOf(prompt, std::ssize(group.problem->prompt_ids));
  return fault.empty() ? "" : "the prompt's " + fault;
}

void SamplingLane::Accept(const rollout::v1::Completion& completion, int worker) {
  if (const std::string fault = FaultOf(completion); !fault.empty()) {
    ++state_.stats().refused_completions;
    workers_.LeaveOut(worker, "it answered with " + fault);
    return;
  }
  CollectState::Sample* const sample = state_.Find(completion.sample_id());
  const bool whole = completion.ids_size() == completion.rollout_logprobs_size() &&
                     (policy_version_ == 0 || completion.policy_version() == policy_version_);
  if (sample == nullptr || !whole) return;
  if (sampling_.record_routing && !completion.prompt_routing().empty()) {
    EpisodeGroup& group = state_.groups()[sample->group];
    group.prompt_routing = std::make_shared<const std::string>(completion.prompt_routing());
  }
  if (sample->sampled) return;
  Episode& episode = state_.EpisodeOf(*sample);
  episode.completion_ids.assign(completion.ids().begin(), completion.ids().end());
  episode.rollout_logprobs.assign(completion.rollout_logprobs().begin(),
                                  completion.rollout_logprobs().end());
  if (sampling_.record_routing) episode.routing = completion.routing();
  episode.finish_reason = completion.finish_reason() == rollout::v1::FINISH_REASON_STOP
                              ? rollout::FinishReason::kStop
                              : rollout::FinishReason::kLength;
  episode.policy_version = completion.policy_version();
  episode.completion = detokenize_(episode.completion_ids);
  state_.MarkSampled(*sample);
  state_.Spawn(EndTurn(*sample));
}

Awaitable<void> SamplingLane::EndTurn(CollectState::Sample& sample) {
  const auto answer =
      co_await environment_.Step(state_.ProblemOf(sample), state_.EpisodeOf(sample));
  COHORT_CHECK(!answer.has_value(), "a second turn of an episode is not built yet");
  finish_(sample);
  state_.changed().NotifyAll();
}

void SamplingLane::Return(std::vector<PendingGroup> taken, const grpc::Status& status) {
  if (state_.stopped()) return;
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
    throw Error(ErrorCode::kUsage,
                "a rollout worker refuses the request: " + std::string(status.error_message()));
  }
  for (PendingGroup& group : taken) {
    const size_t asked = group.sample_ids.size();
    std::erase_if(group.sample_ids, [&](uint64_t id) { return state_.At(id).sampled; });
    if (group.sample_ids.empty()) continue;
    if (!IsRefusal(status)) {
      // A call that brought part of the group has not failed it.
      group.attempts = group.sample_ids.size() < asked ? 0 : group.attempts + 1;
      state_.stats().reissued_samples += static_cast<uint32_t>(group.sample_ids.size());
    }
    if (group.attempts >= options_.max_attempts) {
      throw Error(ErrorCode::kUnavailable,
                  "group " + std::to_string(state_.groups()[group.group].group_id) + " failed " +
                      std::to_string(group.attempts) + " times; the last time: " +
                      std::string(status.ok() ? "samples were missing" : status.error_message()));
    }
    pending_.push_back(std::move(group));
  }
  state_.changed().NotifyAll();
}

}  // namespace cohort::rl
