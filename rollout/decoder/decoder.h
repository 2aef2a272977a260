#pragma once

// The rollout engine: continuous batching over a paged KV cache. The forward pass is a
// ModelRunner's; the decoder schedules, draws and delivers. A sample depends on (weights, prompt,
// seed, sample_id) alone: not on the batch it shares, the thread count, the prefill's chunks or a
// preemption.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/cpu/ops.h"
#include "policy/weights/weights.h"
#include "rollout/decoder/model_runner.h"
#include "rollout/request.h"
#include "rollout/weight_dtype.h"

namespace cohort::rollout {

// num_threads, dtype, numerics, deterministic and kv_cache_bytes are for whoever makes the runner.
struct DecoderOptions {
  int num_threads = 0;  // 0 = all cores
  policy::Dtype dtype = policy::Dtype::kFloat32;
  // Of products with bf16 weights: those of a learner of mixed precision.
  kernels::Numerics numerics = kernels::Numerics::kFloat32;
  // The learner's order of operations throughout, so that its logprobs are the same bits. It
  // matters to latent attention, whose cache then keeps keys and values of all heads.
  bool deterministic = false;
  int32_t max_running = 256;  // sequences decoded together
  // Bound of the KV cache; when it is full, samples are preempted and computed again later.
  int64_t kv_cache_bytes = int64_t{1} << 30;
  int32_t tokens_per_step = 512;  // budget of one step: decode rows first, then prefill chunks
};

// Counted after every step, so that a watchdog sees progress inside a long prompt.
struct DecoderStats {
  uint64_t prefill_tokens = 0;
  uint64_t decode_tokens = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;
  uint64_t preemptions = 0;
};

// kUsage for an option out of range.
void CheckOptions(const DecoderOptions& options);

// kUsage for a text of more tokens than the model's context holds, of either engine.
void CheckContext(int64_t length, int64_t max_positions);

// Single-threaded: the owner calls it from one thread; the runner may use threads of its own.
class Decoder {
 public:
  // `runner` has its weights. kUsage as CheckOptions.
  Decoder(std::unique_ptr<ModelRunner> runner, const DecoderOptions& options,
          int64_t policy_version);
  ~Decoder();
  Decoder(Decoder&& other) noexcept;

  // Queues a group; its prompt is computed once. kUsage: empty prompt, id outside the vocabulary,
  // prompt longer than the context or the cache.
  void Submit(GroupRequest request);
  // Runs one step and returns the samples that finished in it.
  std::vector<SampledCompletion> Step();
  // Called in every Step after this, from the owner's thread, for every token as it is drawn, the
  // stop token too.
  using TokenListener = std::function<void(uint64_t group_id, uint64_t sample_id, int32_t id)>;
  void OnToken(TokenListener listener);
  bool Idle() const;  // nothing running, nothing waiting
  void Cancel(uint64_t group_id);
  int32_t num_running() const;
  int32_t num_waiting() const;

  // New weights; only when Idle().
  void SwapWeights(policy::WeightSource& weights, int64_t policy_version);
  void SwapWeights(policy::WeightMap weights, int64_t policy_version);
  int64_t policy_version() const;

  // logprobs[i] = logprob of ids[i + 1] given ids[0..i], at temperature 1. Only when Idle().
  std::vector<float> Score(std::span<const int32_t> ids);

  DecoderStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Convenience for one-shot use: submits all, steps to the end, returns in input order of samples.
std::vector<SampledCompletion> GenerateAll(Decoder& decoder, std::vector<GroupRequest> requests);

}  // namespace cohort::rollout
