#pragma once

// The ModelRunner of the CPU: packed weights, KV cache, and the forward pass on kernels of our own.

#include <memory>
#include <span>
#include <vector>

#include "kernels/cpu/thread_pool.h"
#include "rollout/cpu/decoder_weights.h"
#include "rollout/cpu/forward.h"
#include "rollout/cpu/kv_cache.h"
#include "rollout/cpu/model_ropes.h"
#include "rollout/cpu/recurrent_states.h"
#include "rollout/decoder/decoder.h"
#include "rollout/decoder/model_runner.h"

namespace cohort::rollout {

// Two ways to use the threads, same bits: each operation is cut among them, or, where the weights
// fit in the cache that the threads share, each takes whole sequences through all layers and no
// operation waits for another thread.
class CpuModelRunner : public ModelRunner {
 public:
  // Takes memory for weights and cache. kUsage for a model that the decoder cannot run or an option
  // out of range, kEnvironment when memory does not suffice.
  CpuModelRunner(const policy::ModelConfig& config, const DecoderOptions& options);

  RunnerShape shape() const override;
  void LoadWeights(policy::WeightSource& weights) override;
  void Step(const ModelStep& step, const LogitsSink& sink) override;

 private:
  struct Lane {
    int first_worker;  // number of the lane's first thread among the runner's workers
    kernels::ThreadPool* pool;
    std::unique_ptr<kernels::ThreadPool> own_pool;  // one thread; null for the lane of all threads
    std::unique_ptr<Forward> forward;
  };
  // Sequences [first, first + sequences.size()) of a step.
  struct LaneShare {
    size_t first;
    std::span<const SequenceRows> sequences;
  };

  Lane MakeLane(int first_worker, kernels::ThreadPool* pool);
  // End indices of the lanes' shares; empty when sequences do not divide evenly enough.
  std::vector<size_t> DivideSequences(std::span<const SequenceRows> sequences) const;
  void RunLane(Lane& lane, const LaneShare& share, const LogitsSink& sink);

  policy::ModelConfig config_;
  kernels::ThreadPool pool_;
  DecoderWeights weights_;
  RecurrentStates states_;
  KvCache cache_;
  ModelRopes ropes_;
  Lane whole_;               // over all threads
  std::vector<Lane> lanes_;  // one a thread, when the weights fit in the shared cache
};

}  // namespace cohort::rollout
