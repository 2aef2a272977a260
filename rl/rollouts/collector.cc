#include "rl/rollouts/collector.h"

#include <utility>

#include "base/error.h"
#include "rl/fleet/interrupt.h"

namespace cohort::rl {
namespace {

constexpr std::chrono::milliseconds kWatch{100};
constexpr double kPatience = 2;  // seconds without progress after which an interrupt is not to wait

// Throws the last failure where every service of the pool is given up.
void ThrowIfAllFailed(const ServicePool& pool, std::string failure) {
  for (int i = 0; i < pool.size(); ++i) {
    failure = pool.endpoint(i).failure;
    if (failure.empty()) return;
  }
  throw Error(ErrorCode::kUnavailable, failure);
}

}  // namespace

Collector::Collector(ServicePool& workers, ServicePool& rewards, Environment& environment,
                     std::vector<reward::RewardTerm> terms, SamplingLane::Detokenize detokenize,
                     const CollectorOptions& options)
    : workers_(workers),
      rewards_(rewards),
      environment_(environment),
      terms_(std::move(terms)),
      detokenize_(std::move(detokenize)),
      options_(options) {}

CollectedGroups Collector::Collect(std::vector<EpisodeGroup> groups,
                                   const rollout::Sampling& sampling, int64_t policy_version) {
  CollectState state(std::move(groups));
  ScoringLane scoring(state, rewards_, terms_, options_.scoring);
  SamplingLane sampling_lane(state, workers_, environment_, sampling, policy_version,
                             options_.sampling, detokenize_,
                             [&](CollectState::Sample& sample) { scoring.Add(sample); });
  for (int i = 0; i < workers_.size(); ++i) state.Spawn(Drive(state, sampling_lane, workers_, i));
  SpawnScoring(state, scoring);
  state.Spawn(Watch(state));
  state.Run();
  return {std::move(state.groups()), state.stats()};
}

std::vector<EpisodeGroup> Collector::Judge(std::vector<EpisodeGroup> groups) {
  CollectState state(std::move(groups));
  ScoringLane scoring(state, rewards_, terms_, options_.scoring);
  for (const EpisodeGroup& group : state.groups()) {
    for (const Episode& episode : group.episodes) {
      CollectState::Sample& sample = state.At(episode.sample_id);
      state.MarkSampled(sample);
      scoring.Add(sample);
    }
  }
  SpawnScoring(state, scoring);
  state.Spawn(Watch(state));
  state.Run();
  return std::move(state.groups());
}

void Collector::SpawnScoring(CollectState& state, ScoringLane& scoring) {
  for (int i = 0; i < rewards_.size(); ++i) {
    for (int call = 0; call < options_.max_score_calls; ++call) {
      state.Spawn(Drive(state, scoring, rewards_, i));
    }
  }
}

// Gives up calls to services that are gone, and the whole Collect when nobody serves for too long.
Awaitable<void> Collector::Watch(CollectState& state) {
  while (!state.Finished()) {
    state.CancelLostCalls();
    CheckServices(state);
    co_await state.changed().Wait(kWatch);
  }
}

void Collector::CheckServices(CollectState& state) {
  if (!state.AllSampled()) ThrowIfAllFailed(workers_, "there is no rollout worker");
  if (!terms_.empty()) ThrowIfAllFailed(rewards_, "there is no reward service");
  const double idle_seconds = state.IdleSeconds();
  if (InterruptRequested() && idle_seconds > kPatience) {
    throw Error(ErrorCode::kInterrupted, "stopped while nobody serves",
                "the same command goes on from the last checkpoint");
  }
  if (idle_seconds > options_.no_service_seconds) {
    throw Error(ErrorCode::kUnavailable,
                std::string(!state.AllSampled() ? "no rollout worker" : "no reward service") +
                    " has served for " + std::to_string(options_.no_service_seconds) + " s",
                "the run folder's logs/ say why; the run can be resumed");
  }
}

}  // namespace cohort::rl
