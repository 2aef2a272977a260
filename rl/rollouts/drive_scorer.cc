// Scoring: completions go to the reward services as they arrive, a few calls in flight per service.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "reward/reward.grpc.pb.h"
#include "rl/rollouts/collect_run.h"

namespace cohort::rl {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxBatchBytes = size_t{1} << 20;
constexpr milliseconds kGather{3};  // a call costs as much as scoring many samples
constexpr milliseconds kPoll{10};
constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kLongestBackoff{1'000};

std::string StatusName(reward::Status status) {
  const std::string name = reward::Status_Name(status);
  return name.starts_with("STATUS_") ? name.substr(7) : "UNKNOWN";
}

std::optional<std::string> AnswerOf(const reward::Component& component) {
  return component.has_answer() ? std::optional(component.answer()) : std::nullopt;
}

}  // namespace

CollectRun::Awaitable<void> CollectRun::DriveScorer(int service) {
  milliseconds backoff = kFirstBackoff;
  while (!Finished()) {
    if (unscored_.empty()) {
      co_await changed_.Wait(kLongestBackoff);
      continue;
    }
    const Endpoint endpoint = pool_.reward_service(service);
    if (!endpoint.ready) {
      co_await changed_.Wait(kPoll);
      continue;
    }
    const auto gathered = Clock::now() + kGather;
    const size_t enough = static_cast<size_t>(inputs_.options.max_samples_per_score);
    while (!Finished() && !unscored_.empty() && unscored_.size() < enough &&
           sampled_ < samples_.size() && Clock::now() < gathered) {
      co_await changed_.Wait(milliseconds(1));
    }
    const std::vector<uint64_t> batch = TakeSamples();
    if (batch.empty() || stopped_) continue;
    const grpc::Status status = co_await Score(service, endpoint, batch);
    ReturnUnscored(batch, status);
    if (status.ok()) {
      backoff = kFirstBackoff;
      continue;
    }
    if (Finished()) continue;
    spdlog::warn("reward service {}: {}", service, status.error_message());
    pool_.ReportBroken(endpoint);
    co_await changed_.Wait(backoff);
    backoff = std::min(2 * backoff, kLongestBackoff);
  }
}

// A sample that was in a failed call goes alone: if it is poison, it costs only itself.
std::vector<uint64_t> CollectRun::TakeSamples() {
  std::vector<uint64_t> batch;
  size_t bytes = 0;
  while (!unscored_.empty() &&
         batch.size() < static_cast<size_t>(inputs_.options.max_samples_per_score)) {
    const SampleState& state = samples_.at(unscored_.front());
    const PromptTask& task = groups_[state.group].task;
    bytes += SampleOf(state).text.size() + task.prompt_text.size() + task.answer.size() +
             task.columns_json.size();
    const bool alone = state.score_attempts > 0;
    if (!batch.empty() && (alone || bytes > kMaxBatchBytes)) break;
    batch.push_back(unscored_.front());
    unscored_.pop_front();
    if (alone) break;
  }
  return batch;
}

CollectRun::Awaitable<grpc::Status> CollectRun::Score(int service, const Endpoint& endpoint,
                                                      const std::vector<uint64_t>& batch) {
  reward::ScoreRequest request;
  request.set_sample_deadline_ms(inputs_.options.sample_deadline_ms);
  request.mutable_terms()->Add(inputs_.terms.begin(), inputs_.terms.end());
  for (const uint64_t id : batch) {
    const SampleState& state = samples_.at(id);
    const PromptTask& task = groups_[state.group].task;
    reward::Sample& sample = *request.add_samples();
    sample.set_sample_id(id);
    sample.set_prompt(task.prompt_text);
    sample.set_completion(SampleOf(state).text);
    sample.set_answer(task.answer);
    sample.set_columns_json(task.columns_json);
  }
  const milliseconds deadline(static_cast<int64_t>(inputs_.options.score_deadline_seconds * 1000));
  const auto stub = reward::Reward::NewStub(endpoint.channel);
  const auto stream =
      std::make_shared<MessageStream<reward::Verdict>>(io_.get_executor(), deadline);
  running_[&stream->context()] = {endpoint, false, service};
  stub->async()->Score(&stream->context(), &request, stream.get());
  stream->Start();
  co_return co_await ReadAll(stream,
                             [this](const reward::Verdict& verdict) { AcceptVerdict(verdict); });
}

void CollectRun::AcceptVerdict(const reward::Verdict& verdict) {
  const auto found = samples_.find(verdict.sample_id());
  if (found == samples_.end() || !found->second.sampled || found->second.scored) return;
  Sample& sample = SampleOf(found->second);
  for (const reward::Component& component : verdict.components()) {
    const bool ok = component.status() == reward::STATUS_OK && std::isfinite(component.score());
    const bool applies = component.status() != reward::STATUS_NOT_APPLICABLE;
    sample.components.push_back({component.name(), component.score(), ok, applies,
                                 component.detail(), AnswerOf(component)});
  }
  if (verdict.status() == reward::STATUS_NOT_APPLICABLE) {
    sample.reward_applies = false;
    sample.reward_detail = "NOT_APPLICABLE: " + verdict.detail();
    FinishSample(found->second);
    return;
  }
  if (verdict.status() != reward::STATUS_OK) {
    FailReward(verdict.sample_id(), StatusName(verdict.status()) + ": " + verdict.detail());
    return;
  }
  if (!std::isfinite(verdict.score())) {
    FailReward(verdict.sample_id(), "ERROR: the reward is not a finite number");
    return;
  }
  sample.reward_ok = true;
  sample.reward = verdict.score();
  sample.reward_detail = verdict.detail();
  FinishSample(found->second);
}

void CollectRun::FailReward(uint64_t sample_id, const std::string& detail) {
  SampleState& state = samples_.at(sample_id);
  SampleOf(state).reward_detail = detail;
  stats_.failed_rewards++;
  FinishSample(state);
}

void CollectRun::ReturnUnscored(const std::vector<uint64_t>& batch, const grpc::Status& status) {
  if (stopped_) return;
  const grpc::StatusCode code = status.error_code();
  if (code == grpc::StatusCode::INVALID_ARGUMENT || code == grpc::StatusCode::UNIMPLEMENTED) {
    throw Error(ErrorCode::kUsage,
                "the reward service refuses the request: " + std::string(status.error_message()));
  }
  for (const uint64_t id : batch) {
    SampleState& state = samples_.at(id);
    if (state.scored) continue;
    // A full queue says nothing about the sample.
    const bool refused = code == grpc::StatusCode::RESOURCE_EXHAUSTED;
    if (!refused) state.score_attempts++;
    const bool last = state.score_attempts >= inputs_.options.max_attempts;
    if (last) {
      FailReward(id, "ERROR: " + std::string(status.ok() ? "the service returned no verdict"
                                                         : status.error_message()));
    } else {
      unscored_.push_back(id);
    }
  }
  changed_.NotifyAll();
}

}  // namespace cohort::rl
