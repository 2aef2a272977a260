#include "rl/rollouts/collect_state.h"

#include <boost/asio/co_spawn.hpp>

#include "base/error.h"

namespace cohort::rl {
namespace {

constexpr std::chrono::seconds kServed{1};

}  // namespace

CollectState::CollectState(std::vector<EpisodeGroup> groups) : groups_(std::move(groups)) {
  for (size_t group = 0; group < groups_.size(); ++group) {
    const std::vector<Episode>& episodes = groups_[group].episodes;
    for (size_t i = 0; i < episodes.size(); ++i) {
      const bool fresh = samples_.emplace(episodes[i].sample_id, Sample{group, i}).second;
      COHORT_CHECK(fresh, "sample ids are unique within a Collect");
    }
  }
}

CollectState::Sample* CollectState::Find(uint64_t sample_id) {
  const auto found = samples_.find(sample_id);
  return found == samples_.end() ? nullptr : &found->second;
}

void CollectState::MarkSampled(Sample& sample) {
  sample.sampled = true;
  ++sampled_;
  last_progress_ = Clock::now();
  stats_.completion_tokens += EpisodeOf(sample).completion_ids.size();
  stats_.decode_seconds = std::chrono::duration<double>(last_progress_ - start_).count();
}

void CollectState::MarkJudged(Sample& sample) {
  sample.judged = true;
  stats_.failed_rewards += EpisodeOf(sample).reward_failed() ? 1 : 0;
  last_progress_ = Clock::now();
  if (++judged_ == samples_.size()) changed_.NotifyAll();
}

void CollectState::Spawn(Awaitable<void> coroutine) {
  boost::asio::co_spawn(io_, std::move(coroutine), [this](std::exception_ptr error) {
    if (error != nullptr) Stop(error);
  });
}

void CollectState::Stop(std::exception_ptr error) {
  if (stopped_) return;
  stopped_ = true;
  error_ = error;
  for (const auto& [context, call] : running_) context->TryCancel();
  changed_.NotifyAll();
}

void CollectState::Run() {
  io_.run();
  if (error_ != nullptr) std::rethrow_exception(error_);
  COHORT_CHECK(AllJudged(), "a Collect ends with every episode");
  stats_.wall_seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  stats_.reward_seconds = stats_.wall_seconds - stats_.decode_seconds;
}

void CollectState::CancelLostCalls() {
  for (const auto& [context, call] : running_) {
    if (call.pool->endpoint(call.index).incarnation != call.incarnation) context->TryCancel();
  }
}

double CollectState::IdleSeconds() {
  // A call that runs has a deadline of its own; one that is refused at once does not run.
  for (const auto& [context, call] : running_) {
    if (Clock::now() - call.start > kServed) last_progress_ = Clock::now();
  }
  return std::chrono::duration<double>(Clock::now() - last_progress_).count();
}

}  // namespace cohort::rl
