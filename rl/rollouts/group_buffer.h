#pragma once

// The bounded hand-over of finished groups from the rollouts to the learner.
//
// A slot is held from the moment a problem goes out to be sampled until the update that learnt from
// its group is published: reserved, then finished, then taken. So the policy that samples a group
// is at most `staleness` steps older than the one that learns from it, and with staleness 0 nothing
// is sampled before the previous step is published.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "rl/rollouts/episode.h"

namespace cohort::rl {

// Thread-safe: the rollouts' thread reserves and puts, the learner's takes and releases.
class GroupBuffer {
 public:
  // (staleness + 1) * prompts_per_step slots. Staleness is 0: asynchronous runs are not built yet.
  GroupBuffer(int64_t prompts_per_step, int64_t staleness);

  int64_t slots() const { return slots_; }
  int64_t free_slots() const;

  // Holds `count` slots for groups that go out. kInternal when fewer are free.
  void Reserve(int64_t count);
  // A finished group of a reserved slot. kInternal when none is reserved.
  void Put(EpisodeGroup group);
  // The `count` oldest finished groups, in the order of their group ids; waits until there are as
  // many. kUnavailable after `deadline`.
  std::vector<EpisodeGroup> Take(int64_t count, std::chrono::milliseconds deadline);
  // The groups that were taken are learnt and published: their slots are free. kInternal when
  // nothing was taken.
  void Release();

 private:
  const int64_t slots_;
  mutable std::mutex mutex_;
  std::condition_variable finished_some_;
  int64_t reserved_ = 0;  // sampled right now
  int64_t taken_ = 0;     // learnt from right now
  std::deque<EpisodeGroup> finished_;
};

}  // namespace cohort::rl
