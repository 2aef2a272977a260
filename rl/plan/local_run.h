#pragma once

// A run of `cohort train` on one machine: the memory of its processes, the time of a GRPO step.

#include <cstdint>
#include <string>
#include <vector>

#include "policy/config/config.h"
#include "policy/tensor/dtype.h"
#include "rl/plan/machine.h"

namespace cohort::rl {

// The part of a recipe that memory and time depend on.
struct LocalRun {
  bool samples = true;     // from workers: in grpo, rejection_sft and evaluations
  bool reference = false;  // a KL term, which needs the reference policy
  // Parameters of the adapters; above 0 nothing else is trained.
  int64_t adapter_parameters = 0;
  int64_t prompts = 32;  // a step
  int64_t group_size = 8;
  int64_t prompt_tokens = 1024;
  int64_t new_tokens = 256;
  int64_t updates = 1;  // optimizer steps a batch
  int64_t microbatch_tokens = 2048;
  bool bf16_moments = false;
  int workers = 1;
  int64_t kv_cache_bytes = int64_t{1} << 30;
  policy::Dtype rollout_dtype = policy::Dtype::kFloat32;
  bool deterministic = false;  // the cache of latent attention has keys and values of all heads

  int64_t sequences() const { return prompts * group_size; }
};

// Parameters of the adapters of `targets` (policy/lora/lora.h).
int64_t AdapterParameters(const policy::ModelConfig& config, int64_t rank,
                          const std::vector<std::string>& targets);

// fp32 numbers that the forward pass keeps of one token for the backward pass: what the autograd
// functions of policy/transformer save.
int64_t KeptActivationsPerToken(const policy::ModelConfig& config);

// Bytes, with large tensors on whole huge pages of 2 MiB, as the learner keeps them
// (policy/tensor/tensor_memory.h). All of the learner is fp32, but for moments in bf16; published
// images and workers are in rollout_dtype.
struct LocalMemory {
  double program = 0;      // the learner's code and libraries
  double weights = 0;      // the policy's
  double gradients = 0;    // of what is trained
  double optimizer = 0;    // two moments of the same
  double reference = 0;    // a second policy; of adapters at most a copy of them
  double merged = 0;       // weights with adapters added, while they are published or saved
  double images = 0;       // two published ones, in shared memory, which workers map
  double activations = 0;  // of one micro-batch, kept for its backward pass, and one layer's once
                           // more for the gradients
  double logits = 0;       // of the head, its gradient included
  double spare = 0;        // freed blocks that are kept for the next tensors of their sizes
  double worker_program = 0;  // the next are of one worker
  double worker_weights = 0;
  double worker_cache = 0;  // at most: what the step's sequences fill, within rollout.kv_cache_mb

  double learner() const { return program + images + tensors() + spare; }
  double tensors() const {
    return weights + gradients + optimizer + reference + merged + activations + logits;
  }
  double worker() const { return worker_program + worker_weights + worker_cache; }
  double total(int workers) const { return learner() + workers * worker(); }
  // Bytes that are taken whatever the rows: without activations, logits, caches and what is spare.
  double held(int workers) const {
    return learner() - activations - logits - spare + workers * (worker() - worker_cache);
  }
};
LocalMemory MemoryOf(const policy::ModelConfig& config, const LocalRun& run);

// Seconds of the parts of a GRPO step at the machine's rates: lower bounds, as nothing reaches them
// but for `utilization`, the share of the arithmetic that training does.
struct LocalStep {
  double prefill_s = 0;       // each prompt once, for its group
  double decode_s = 0;        // all sequences of full length, together
  double old_logprobs_s = 0;  // with several updates: of all but the first slice
  double ref_logprobs_s = 0;
  double forward_backward_s = 0;
  double optimizer_s = 0;  // reads and writes of weights, gradients, moments
  double publish_s = 0;    // weights read, image written and read, the workers' written
  double total() const {
    return prefill_s + decode_s + old_logprobs_s + ref_logprobs_s + forward_backward_s +
           optimizer_s + publish_s;
  }
};
LocalStep StepOf(const policy::ModelConfig& config, const LocalRun& run, const Machine& machine,
                 double utilization);

}  // namespace cohort::rl
