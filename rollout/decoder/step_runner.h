#pragma once

// Executes a step's plan: the forward pass over the planned tokens, then the draws of those
// sequences that reached their end.

#include <memory>
#include <span>
#include <vector>

#include "kernels/cpu/thread_pool.h"
#include "rollout/cpu/forward.h"
#include "rollout/decoder/sampler.h"
#include "rollout/decoder/scheduler.h"

namespace cohort::rollout {

// Two ways to use the threads, same bits: each operation is cut among them, or, where the weights
// fit in the cache that the threads share, each takes whole sequences through all layers and no
// operation waits for another thread.
class StepRunner {
 public:
  StepRunner(const ForwardContext& context, kernels::ThreadPool& pool);

  // Advances the planned sequences: prompt_computed / computed, and one id and logprob where the
  // logits of the sequence's last token were computed. A prompt that is complete for the first time
  // draws the first id of every sample of its group. On an error the sequences are in an undefined
  // state.
  void Run(const std::vector<PlannedTokens>& plan);

  // logprobs[i] of targets[i] after token i, for one segment, at temperature 1.
  std::vector<float> ScoreSegment(const Segment& segment, std::span<const int32_t> targets);

 private:
  struct Lane {
    kernels::ThreadPool* pool;
    std::unique_ptr<kernels::ThreadPool>
        own_pool;  // of one thread; null for the lane over the whole pool
    std::unique_ptr<Forward> forward;
    std::vector<Sampler> samplers;  // one a thread of the lane
  };

  Lane MakeLane(kernels::ThreadPool* pool);
  // End indices into the plan, one a lane; empty when sequences do not divide evenly enough.
  std::vector<size_t> DivideSequences(const std::vector<PlannedTokens>& plan) const;
  void RunLane(Lane& lane, std::span<const PlannedTokens> plan);

  ForwardContext context_;
  kernels::ThreadPool& pool_;
  Lane whole_;
  std::vector<Lane> lanes_;  // one a thread, when the weights fit in the shared cache
};

}  // namespace cohort::rollout
