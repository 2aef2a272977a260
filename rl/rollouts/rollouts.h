#pragma once

// The sampling side of a run as the rounds see it: workers that hold the current policy, reward
// services that judge, and the collector that drives both.

#include <cstdint>
#include <vector>

#include "rl/fleet/publisher.h"
#include "rl/rollouts/episode.h"
#include "rollout/request.h"

namespace cohort::rl {

struct CollectStats {
  double decode_seconds = 0;  // until the last completion arrived
  double reward_seconds = 0;  // that scoring added after that
  double wall_seconds = 0;
  uint64_t completion_tokens = 0;
  uint32_t reissued_samples = 0;     // sampled again because their worker died or refused
  uint32_t refused_completions = 0;  // that cannot be true; their worker is left out
  uint32_t failed_rewards = 0;
  uint32_t restarts = 0;  // of workers and reward services, since the Collect before
};

struct CollectedGroups {
  std::vector<EpisodeGroup> groups;  // in the order in which they were given
  CollectStats stats;
};

// The seam between rounds and processes. Owned by one thread.
class Rollouts {
 public:
  virtual ~Rollouts() = default;

  virtual Publisher& publisher() = 0;
  // Samples and judges every episode of the groups (NewEpisodeGroup), all of which come back
  // complete. Errors: kUsage when a worker or a reward service rejects the request itself;
  // kUnavailable when nobody serves in time.
  virtual CollectedGroups Collect(std::vector<EpisodeGroup> groups,
                                  const rollout::Sampling& sampling) = 0;
  // Judges episodes that have their completions, in the same way. Errors: as Collect.
  virtual std::vector<EpisodeGroup> Judge(std::vector<EpisodeGroup> groups) = 0;
  // As the recipe's rollout section has it.
  virtual const rollout::Sampling& sampling() const = 0;
};

}  // namespace cohort::rl
