#pragma once

// The rollout engine: continuous batching over a paged KV cache, with kernels of its own (no
// LibTorch module call per token). A sample depends on (weights, prompt, seed, sample_id) alone:
// not on the batch it shares, the thread count, the prefill's chunks or a preemption.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "policy/config/config.h"
#include "policy/weights/weight_source.h"

namespace cohort::rollout {

struct Sampling {
  double temperature = 1.0;  // 0 = greedy (logprobs are then those at temperature 1)
  int32_t top_k = 0;         // 0 = off
  double top_p = 1.0;        // 1 = off
  int32_t max_new_tokens = 256;
  std::vector<int32_t> stop_ids = {};
  uint64_t seed = 0;
};

struct GroupRequest {
  uint64_t group_id = 0;
  std::vector<int32_t> prompt_ids = {};   // not empty
  std::vector<uint64_t> sample_ids = {};  // one completion each
  Sampling sampling = {};
};

enum class FinishReason { kStop, kLength };

struct Completion {
  uint64_t group_id = 0;
  uint64_t sample_id = 0;
  std::vector<int32_t> ids;  // stop token included
  std::vector<float> rollout_logprobs;
  FinishReason finish_reason = FinishReason::kStop;
  int64_t policy_version = 0;
};

enum class WeightDtype { kFloat32, kBFloat16 };  // storage; accumulation is always fp32

struct DecoderOptions {
  int num_threads = 0;  // 0 = all cores
  WeightDtype dtype = WeightDtype::kFloat32;
  int32_t max_running = 256;  // sequences decoded together
  // Bound of the KV cache; when it is full, samples are preempted and computed again later.
  int64_t kv_cache_bytes = int64_t{1} << 30;
  int32_t tokens_per_step = 512;  // budget of one step: decode rows first, then prefill chunks
};

struct DecoderStats {
  uint64_t prefill_tokens = 0;
  uint64_t decode_tokens = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;
  uint64_t preemptions = 0;
};

// Single-threaded: the owner calls it from one thread; kernels use an internal pool.
class Decoder {
 public:
  // Packs its own copy of the weights, taken one by one. Errors: kUsage for a shape it does not
  // support, kEnvironment when memory does not suffice.
  Decoder(const policy::ModelConfig& config, policy::WeightSource& weights,
          const DecoderOptions& options, int64_t policy_version);
  Decoder(const policy::ModelConfig& config, policy::WeightMap weights,
          const DecoderOptions& options, int64_t policy_version);
  ~Decoder();

  // Queues a group; its prompt is computed once. kUsage: empty prompt, id outside the vocabulary,
  // prompt longer than the context or the cache.
  void Submit(GroupRequest request);
  // Runs one step and returns the samples that finished in it.
  std::vector<Completion> Step();
  // From now on called in Step, from the owner's thread, for every token as it is drawn, the stop
  // token too.
  using TokenListener = std::function<void(uint64_t group_id, uint64_t sample_id, int32_t id)>;
  void OnToken(TokenListener listener);
  bool Idle() const;  // nothing running, nothing waiting
  void Cancel(uint64_t group_id);
  int32_t num_running() const;
  int32_t num_waiting() const;

  // New weights; only when Idle().
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
std::vector<Completion> GenerateAll(Decoder& decoder, std::vector<GroupRequest> requests);

}  // namespace cohort::rollout
