#pragma once

// Prompts in, judged episodes out: the rollout workers sample, the reward services judge, both at
// once.

#include <cstdint>
#include <vector>

#include "reward/reward.pb.h"
#include "rl/fleet/service_pool.h"
#include "rl/rollouts/environment.h"
#include "rl/rollouts/rollouts.h"
#include "rl/rollouts/sampling_lane.h"
#include "rl/rollouts/scoring_lane.h"

namespace cohort::rl {

struct CollectorOptions {
  SamplingLane::Options sampling;
  ScoringLane::Options scoring;
  int max_score_calls = 2;          // in flight a reward service
  double no_service_seconds = 120;  // how long Collect waits when nobody serves
};

// Owned and called by one thread; pools and environment outlive it.
class Collector {
 public:
  Collector(ServicePool& workers, ServicePool& rewards, Environment& environment,
            std::vector<reward::RewardTerm> terms, SamplingLane::Detokenize detokenize,
            const CollectorOptions& options);

  // As Rollouts::Collect says. `policy_version`: what the workers hold; 0 takes any.
  CollectedGroups Collect(std::vector<EpisodeGroup> groups, const rollout::Sampling& sampling,
                          int64_t policy_version);
  // As Rollouts::Judge says.
  std::vector<EpisodeGroup> Judge(std::vector<EpisodeGroup> groups);

 private:
  void SpawnScoring(CollectState& state, ScoringLane& scoring);
  Awaitable<void> Watch(CollectState& state);
  void CheckServices(CollectState& state);

  ServicePool& workers_;
  ServicePool& rewards_;
  Environment& environment_;
  const std::vector<reward::RewardTerm> terms_;
  const SamplingLane::Detokenize detokenize_;
  const CollectorOptions options_;
};

}  // namespace cohort::rl
