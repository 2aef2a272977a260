#pragma once

// A run of `cohort train` on one machine: the memory of its processes, the time of a GRPO step.

#include <algorithm>
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
  // A GRPO step; where there is none, the largest step of the other rounds.
  int64_t prompts = 32;
  int64_t group_size = 8;
  int64_t prompt_tokens = 1024;  // of a prompt on average
  int64_t longest_prompt = 0;    // 0: as prompt_tokens
  int64_t new_tokens = 256;
  int64_t updates = 1;        // optimizer steps a batch
  int64_t measured_rows = 0;  // that the lengths of prompts are from; 0: they are given
  bool grpo = true;           // false: demonstrations alone are trained on
  // The largest optimizer step on demonstrations, those of the model's own answers included.
  int64_t demonstrations = 0;
  int64_t demonstration_tokens = 0;              // of one on average, its prompt included
  int64_t longest_demonstration = 0;             // of all such steps
  int64_t evaluated = 0, evaluated_samples = 1;  // held-out problems, answers to each
  int64_t microbatch_tokens = 2048;
  bool bf16_moments = false;
  int64_t activation_memory = 0;  // bytes, within which layers are recomputed; 0: none are
  bool masters = true;            // false: matrices and their gradients in bf16
  int workers = 1;
  int64_t kv_cache_bytes = int64_t{1} << 30;
  policy::Dtype rollout_dtype = policy::Dtype::kFloat32;
  bool deterministic = false;  // the cache of latent attention has keys and values of all heads

  int64_t sequences() const { return prompts * group_size; }
  // Tokens of a sampled sequence, on average.
  int64_t sampled(const policy::ModelConfig& config) const {
    return std::min(prompt_tokens + new_tokens, config.max_positions);
  }
  // Tokens of the longest sequence that is trained on, and of the largest optimizer step: in it a
  // prompt has its tokens once, for its group, and the last of a sequence predicts nothing.
  int64_t longest(const policy::ModelConfig& config) const;
  int64_t step_tokens() const;
};

// Parameters of the adapters of `targets` (policy/lora/lora.h).
int64_t AdapterParameters(const policy::ModelConfig& config, int64_t rank,
                          const std::vector<std::string>& targets);

// Layers that a micro-batch of the most tokens has recomputed within run.activation_memory.
int64_t RecomputedLayers(const policy::ModelConfig& config, const LocalRun& run);

// Bytes, with large tensors on whole huge pages of 2 MiB, as the learner keeps them
// (policy/tensor/tensor_memory.h). All of the learner is fp32, but for moments in bf16, and
// matrices without masters with their gradients; published images and workers are in rollout_dtype.
struct LocalMemory {
  double program = 0;      // the learner's code and libraries
  double weights = 0;      // the policy's
  double gradients = 0;    // of what is trained
  double optimizer = 0;    // two moments of the same, flat
  double reference = 0;    // a second policy; of adapters at most a copy of them
  double merged = 0;       // weights with adapters added, while they are published or saved
  double images = 0;       // published ones, in shared memory, which workers map
  double activations = 0;  // of one micro-batch, kept for its backward pass, and one layer's once
                           // more for the gradients
  double logits = 0;       // of the head, its gradient included
  double spare = 0;        // freed blocks that are kept for the next tensors of their sizes
  double worker_program = 0;  // the next are of one worker
  double worker_weights = 0;
  double worker_cache = 0;   // at most: what the step's sequences fill, within rollout.kv_cache_mb
  double worker_mapped = 0;  // the image that it reads its weights from, one of `images`
  double rewards = 0;        // the reward service, without what it starts

  double learner() const { return program + images + tensors() + spare; }
  double tensors() const {
    return weights + gradients + optimizer + reference + merged + activations + logits;
  }
  // As the system counts it, with the learner's image where it maps that.
  double worker() const { return worker_program + worker_weights + worker_cache + worker_mapped; }
  double total(int workers) const {
    return learner() + workers * (worker() - worker_mapped) + rewards;
  }
  // Bytes that are taken whatever the rows: without activations, logits, caches and what is spare.
  double held(int workers) const {
    return total(workers) - activations - logits - spare - workers * worker_cache;
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
