#include "rl/rollouts/scoring_lane.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "reward/reward.grpc.pb.h"

namespace cohort::rl {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxBatchBytes = size_t{1} << 20;
constexpr milliseconds kGather{3};  // a call costs as much as scoring many samples

// A score that is no number is a failure, of a component and of the whole.
void RefuseNonFinite(reward::Verdict* verdict) {
  for (reward::Component& component : *verdict->mutable_components()) {
    if (component.status() == reward::STATUS_OK && !std::isfinite(component.score())) {
      component.set_status(reward::STATUS_ERROR);
    }
  }
  if (verdict->status() == reward::STATUS_OK && !std::isfinite(verdict->score())) {
    verdict->set_status(reward::STATUS_ERROR);
    verdict->set_detail("the reward is not a finite number");
  }
}

}  // namespace

ScoringLane::ScoringLane(CollectState& state, ServicePool& services,
                         const std::vector<reward::RewardTerm>& terms, const Options& options)
    : state_(state), services_(services), terms_(terms), options_(options) {}

void ScoringLane::Add(CollectState::Sample& sample) {
  Episode& episode = state_.EpisodeOf(sample);
  if (!terms_.empty()) return unscored_.push_back(episode.sample_id);
  episode.verdict.set_status(reward::STATUS_OK);
  state_.MarkJudged(sample);
}

Awaitable<Lane::Served> ScoringLane::Serve(const Endpoint& endpoint, int index) {
  co_await Gather();
  const std::vector<uint64_t> batch = Take();
  if (batch.empty() || state_.stopped()) co_return Served{};
  const reward::ScoreRequest request = Request(batch);
  const auto stub = reward::Reward::NewStub(endpoint.channel);
  const auto stream =
      std::make_shared<MessageStream<reward::Verdict>>(state_.executor(), options_.deadline);
  stub->async()->Score(&stream->context(), &request, stream.get());
  const grpc::Status status =
      co_await state_.ReadAll(stream, services_, index, endpoint,
                              [this](const reward::Verdict& verdict) { Accept(verdict); });
  Return(batch, status);
  co_return Served{status};
}

// Waits a little for a fuller batch while more completions are to come.
Awaitable<void> ScoringLane::Gather() {
  const auto end = CollectState::Clock::now() + kGather;
  const size_t enough = static_cast<size_t>(options_.max_samples_per_call);
  while (!state_.Finished() && !unscored_.empty() && unscored_.size() < enough &&
         !state_.AllSampled() && CollectState::Clock::now() < end) {
    co_await state_.changed().Wait(milliseconds(1));
  }
}

// A sample that was in a failed call goes alone: if it is poison, it costs only itself.
std::vector<uint64_t> ScoringLane::Take() {
  std::vector<uint64_t> batch;
  size_t bytes = 0;
  while (!unscored_.empty() && batch.size() < static_cast<size_t>(options_.max_samples_per_call)) {
    const CollectState::Sample& sample = state_.At(unscored_.front());
    const EncodedProblem& encoded = state_.ProblemOf(sample);
    bytes += state_.EpisodeOf(sample).completion.size() + encoded.problem.question.size() +
             encoded.problem.answer.size() + encoded.columns_json.size();
    const bool alone = sample.score_attempts > 0;
    if (!batch.empty() && (alone || bytes > kMaxBatchBytes)) break;
    batch.push_back(unscored_.front());
    unscored_.pop_front();
    if (alone) break;
  }
  return batch;
}

reward::ScoreRequest ScoringLane::Request(const std::vector<uint64_t>& batch) {
  reward::ScoreRequest request;
  request.set_sample_deadline_ms(options_.sample_deadline_ms);
  request.mutable_terms()->Add(terms_.begin(), terms_.end());
  for (const uint64_t id : batch) {
    const CollectState::Sample& state = state_.At(id);
    const EncodedProblem& encoded = state_.ProblemOf(state);
    reward::Sample& sample = *request.add_samples();
    const Episode& episode = state_.EpisodeOf(state);
    sample = ToRewardSample(encoded.problem, encoded.columns_json, episode.completion);
    sample.set_sample_id(id);
    sample.set_completion_tokens(static_cast<uint32_t>(episode.completion_ids.size()));
  }
  return request;
}

void ScoringLane::Accept(const reward::Verdict& verdict) {
  CollectState::Sample* const sample = state_.Find(verdict.sample_id());
  if (sample == nullptr || !sample->sampled || sample->judged) return;
  Episode& episode = state_.EpisodeOf(*sample);
  episode.verdict = verdict;
  RefuseNonFinite(&episode.verdict);
  state_.MarkJudged(*sample);
}

void ScoringLane::Fail(uint64_t sample_id, const std::string& detail) {
  CollectState::Sample& sample = state_.At(sample_id);
  reward::Verdict& verdict = state_.EpisodeOf(sample).verdict;
  verdict.set_sample_id(sample_id);
  verdict.set_status(reward::STATUS_ERROR);
  verdict.set_detail(detail);
  state_.MarkJudged(sample);
}

void ScoringLane::Return(const std::vector<uint64_t>& batch, const grpc::Status& status) {
  if (state_.stopped()) return;
  const grpc::StatusCode code = status.error_code();
  if (code == grpc::StatusCode::INVALID_ARGUMENT || code == grpc::StatusCode::UNIMPLEMENTED) {
    throw Error(ErrorCode::kUsage,
                "the reward service refuses the request: " + std::string(status.error_message()));
  }
  for (const uint64_t id : batch) {
    CollectState::Sample& sample = state_.At(id);
    if (sample.judged) continue;
    // A full queue says nothing about the sample.
    const bool refused = code == grpc::StatusCode::RESOURCE_EXHAUSTED;
    if (!refused) sample.score_attempts++;
    if (sample.score_attempts >= options_.max_attempts) {
      Fail(id, status.ok() ? "the service returned no verdict" : status.error_message());
    } else {
      unscored_.push_back(id);
    }
  }
  state_.changed().NotifyAll();
}

}  // namespace cohort::rl
