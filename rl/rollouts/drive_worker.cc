// Sampling: each rollout worker is driven by one coroutine, which hands it many groups per call.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "rl/rollouts/collect_run.h"
#include "rollout/rollout.grpc.pb.h"

namespace cohort::rl {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxRequestTokens = 400'000;  // 5 bytes each at most: under gRPC's 4 MiB
constexpr milliseconds kPoll{10};
constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kLongestBackoff{1'000};

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

}  // namespace

CollectRun::Awaitable<void> CollectRun::DriveWorker(int worker) {
  milliseconds backoff = kFirstBackoff;
  while (!Finished()) {
    if (pending_.empty()) {
      co_await changed_.Wait(kLongestBackoff);
      continue;
    }
    const Endpoint endpoint = pool_.rollout_worker(worker);
    if (!endpoint.ready) {
      co_await changed_.Wait(kPoll);
      continue;
    }
    std::vector<PendingGroup> taken = TakeGroups();
    const size_t sampled_before = sampled_;
    const grpc::Status status = co_await Generate(worker, endpoint, taken);
    ReturnUnfinished(std::move(taken), status);
    if (status.ok() || Finished()) continue;
    spdlog::warn("rollout worker {}: {}", worker, status.error_message());
    pool_.ReportBroken(endpoint);
    if (sampled_ > sampled_before) backoff = kFirstBackoff;
    co_await changed_.Wait(backoff);
    backoff = std::min(2 * backoff, kLongestBackoff);
  }
}

// A fair share of the whole, bounded in samples and in bytes.
std::vector<CollectRun::PendingGroup> CollectRun::TakeGroups() {
  std::vector<PendingGroup> taken;
  size_t samples = 0;
  size_t tokens = 0;
  while (!pending_.empty() && taken.size() < groups_per_call_) {
    const PendingGroup& next = pending_.front();
    samples += next.sample_ids.size();
    tokens += groups_[next.group].task.prompt_ids.size() + 2 * next.sample_ids.size();
    const bool too_much = samples > static_cast<size_t>(inputs_.options.max_outstanding_samples) ||
                          tokens > kMaxRequestTokens;
    if (too_much && !taken.empty()) break;
    taken.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  return taken;
}

CollectRun::Awaitable<grpc::Status> CollectRun::Generate(int worker, const Endpoint& endpoint,
                                                         const std::vector<PendingGroup>& taken) {
  rollout::v1::GenerateRequest request;
  request.set_policy_version(policy_version_);
  FillSampling(inputs_.sampling, request.mutable_sampling());
  for (const PendingGroup& pending : taken) {
    const PromptTask& task = groups_[pending.group].task;
    rollout::v1::PromptGroup& group = *request.add_groups();
    group.set_group_id(task.group_id);
    group.mutable_prompt_ids()->Add(task.prompt_ids.begin(), task.prompt_ids.end());
    group.mutable_sample_ids()->Add(pending.sample_ids.begin(), pending.sample_ids.end());
  }
  const milliseconds deadline(
      static_cast<int64_t>(inputs_.options.generate_deadline_seconds * 1000));
  const auto stub = rollout::v1::Rollout::NewStub(endpoint.channel);
  const auto stream =
      std::make_shared<MessageStream<rollout::v1::Completion>>(io_.get_executor(), deadline);
  running_[&stream->context()] = {endpoint, true, worker};
  stub->async()->Generate(&stream->context(), &request, stream.get());
  stream->Start();
  co_return co_await ReadAll(
      stream, [this](const rollout::v1::Completion& completion) { AcceptCompletion(completion); });
}

void CollectRun::AcceptCompletion(const rollout::v1::Completion& completion) {
  const auto found = samples_.find(completion.sample_id());
  const bool whole = completion.ids_size() == completion.rollout_logprobs_size() &&
                     (policy_version_ == 0 || completion.policy_version() == policy_version_);
  if (found == samples_.end() || found->second.sampled || !whole) return;
  SampleState& state = found->second;
  state.sampled = true;
  Sample& sample = SampleOf(state);
  sample.ids.assign(completion.ids().begin(), completion.ids().end());
  sample.rollout_logprobs.assign(completion.rollout_logprobs().begin(),
                                 completion.rollout_logprobs().end());
  sample.finish_reason = completion.finish_reason() == rollout::v1::FINISH_REASON_STOP
                             ? rollout::FinishReason::kStop
                             : rollout::FinishReason::kLength;
  sample.policy_version = completion.policy_version();
  sample.text = inputs_.detokenize(sample.ids);
  stats_.completion_tokens += sample.ids.size();
  sampled_++;
  last_progress_ = Clock::now();
  stats_.decode_seconds = std::chrono::duration<double>(last_progress_ - start_).count();
  if (inputs_.terms.empty()) {
    sample.reward_ok = true;
    FinishSample(state);
  } else {
    unscored_.push_back(completion.sample_id());
  }
}

void CollectRun::ReturnUnfinished(std::vector<PendingGroup> taken, const grpc::Status& status) {
  if (stopped_) return;
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
    throw Error(ErrorCode::kUsage,
                "a rollout worker refuses the request: " + std::string(status.error_message()));
  }
  for (PendingGroup& group : taken) {
    const size_t asked = group.sample_ids.size();
    std::erase_if(group.sample_ids, [&](uint64_t id) { return samples_.at(id).sampled; });
    if (group.sample_ids.empty()) continue;
    if (!IsRefusal(status)) {
      // A call that brought part of the group has not failed it.
      group.attempts = group.sample_ids.size() < asked ? 0 : group.attempts + 1;
      stats_.reissued_samples += static_cast<uint32_t>(group.sample_ids.size());
    }
    if (group.attempts >= inputs_.options.max_attempts) {
      throw Error(ErrorCode::kUnavailable,
                  "group " + std::to_string(groups_[group.group].task.group_id) + " failed " +
                      std::to_string(group.attempts) + " times; the last time: " +
                      std::string(status.ok() ? "samples were missing" : status.error_message()));
    }
    pending_.push_back(std::move(group));
  }
  changed_.NotifyAll();
}

}  // namespace cohort::rl
