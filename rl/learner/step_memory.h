#pragma once

// What keeps a learner's step within memory: the bound on its micro-batches, layers that are
// recomputed within a budget, and another try with smaller micro-batches.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "rl/learner/batch.h"
#include "rl/learner/learner_options.h"

namespace cohort::policy {
class TransformerImpl;  // policy/transformer/transformer.h
}

namespace cohort::rl {

// Owned by the learner, on its thread; the policy outlives it.
class StepMemory {
 public:
  // Within options.activation_memory the bound is lowered to what fits with every layer recomputed.
  StepMemory(policy::TransformerImpl& policy, const LearnerOptions& options);

  // The sequences of each micro-batch (batch.h), as the bound is.
  std::vector<std::vector<int64_t>> Split(std::span<const TrainingSequence> sequences) const;
  MicroBatch Pack(std::span<const TrainingSequence> sequences,
                  const std::vector<int64_t>& chosen) const;

  // The next forward and backward pass has `tokens`: the fewest layers are recomputed that hold it.
  void RecomputeFor(int64_t tokens);

  // Runs a pass over the micro-batches of these sequences. Where it runs out of memory the experts'
  // load is as before, and it is run again with half the tokens, which the bound stays at: the same
  // gradient, in another order of sums. `pass` drops what an earlier try of it has left.
  // kEnvironment with the sizes where the options forbid that, or a sequence alone is too long.
  void Run(std::span<const TrainingSequence> sequences, const std::function<void()>& pass);

  // Passes that were run again.
  int64_t retries() const { return retries_; }
  // What was done otherwise than the options say so that a step fits, a line each, since the last
  // call.
  std::vector<std::string> TakeWarnings();

 private:
  void HalveMicroBatches(std::span<const TrainingSequence> sequences);

  policy::TransformerImpl& policy_;
  at::Device device_;
  int64_t max_tokens_;  // of a micro-batch
  double budget_;       // bytes of activations; 0: none
  bool retry_;
  int64_t long_beyond_;  // of the policy's rotary positions (policy/config/rope_frequencies.h)
  int64_t retries_ = 0;
  bool told_of_long_ = false;
  std::vector<std::string> warnings_;
};

}  // namespace cohort::rl
