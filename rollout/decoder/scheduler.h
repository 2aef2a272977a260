#pragma once

// Continuous batching: what the next step computes. All running samples decode in every step; what
// is left of the token budget goes to prompts (and to samples preempted before), oldest group
// first. When the cache is full, the youngest running sample gives its blocks back and is computed
// again later.

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "rollout/decoder/block_pool.h"
#include "rollout/decoder/sequence.h"

namespace cohort::rollout {

struct SchedulerLimits {
  int32_t max_running = 256;
  int32_t tokens_per_step = 512;
  int64_t rope_boundary = 0;  // as RunnerShape has it
};

// `count` tokens of one sequence: of the group's prompt when sample is null, else of the sample's
// ids, or of the prompt before them. The cache has room for them.
struct PlannedTokens {
  SequenceGroup* group = nullptr;
  Sequence* sample = nullptr;
  int64_t start = 0;  // index into the prompt, or into the sample's ids; before them: negative
  int32_t count = 0;
};

// Single-threaded. Owns the groups that are not finished.
class Scheduler {
 public:
  Scheduler(const SchedulerLimits& limits, BlockPool& pool);

  // The caller has checked that prompt + max_new_tokens fit in the cache alone (FitsAlone).
  void Submit(std::unique_ptr<SequenceGroup> group);
  bool FitsAlone(int64_t tokens) const;

  // Takes the blocks that the step writes. Empty only when nothing is running or waiting. After the
  // step the caller advances prompt_computed / computed and appends the drawn ids.
  std::vector<PlannedTokens> Plan();

  void Finish(Sequence& sample);
  // Frees what belongs to groups that are finished; pointers into them end here.
  void DropFinishedGroups();
  void Cancel(uint64_t group_id);
  void CancelAll();

  int64_t num_running() const { return running_; }
  int64_t num_waiting() const;
  bool idle() const { return active_.empty() && queued_.empty(); }
  uint64_t preemptions() const { return preemptions_; }

 private:
  // A demand for blocks. A null sample stands for the group's prompt, which comes before all of its
  // samples.
  struct Claim {
    const SequenceGroup& group;
    const Sequence* sample;
    bool must;  // take blocks from younger ones where none is free
  };

  void PartGrown();
  void DropUnseen();
  void StartWaiting();
  bool Start(SequenceGroup& group, Sequence& sample, bool must);
  bool Fork(SequenceGroup& group, Sequence& sample, bool must);
  void PlanDecode(std::vector<PlannedTokens>* plan);
  void PlanPrefill(int64_t budget, std::vector<PlannedTokens>* plan);
  void Admit();
  int64_t BlocksToStart(const SequenceGroup& group, int64_t samples) const;
  // Plans at most `budget` tokens of the prompt and returns how many it planned.
  int64_t PlanPrompt(SequenceGroup& group, int64_t budget, bool must,
                     std::vector<PlannedTokens>* plan);
  // The same of a running sample of which more than one token is to be computed.
  int64_t PlanSample(SequenceGroup& group, Sequence& sample, int64_t budget, bool must,
                     std::vector<PlannedTokens>* plan);
  bool Grow(const Claim& claim, int64_t tokens, BlockTables* tables);
  bool Reclaim(const Claim& claim);
  void Preempt(Sequence& sample);
  bool DropUnsharedPrompt(SequenceGroup& group);
  bool SharesPrompt(const SequenceGroup& group, const Sequence& sample) const;
  void DropPrompt(SequenceGroup& group);
  void ForceOldest(std::vector<PlannedTokens>* plan);
  int64_t PendingSamples() const;
  int64_t Headroom() const;

  SchedulerLimits limits_;
  BlockPool& pool_;
  std::deque<std::unique_ptr<SequenceGroup>> queued_;  // never started, in order of submission
  std::list<std::unique_ptr<SequenceGroup>> active_;   // started, oldest first
  int64_t running_ = 0;
  uint64_t preemptions_ = 0;
};

}  // namespace cohort::rollout
