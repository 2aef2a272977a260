#pragma once

// From a row of logits to tokens. The draw is the inverse of the distribution function at a
// counter-based uniform number keyed (seed, sample_id, position), in a fixed order of summation: it
// depends on the logits and these three numbers alone.

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/cpu/ops.h"
#include "rollout/request.h"

namespace cohort::rollout {

struct Draw {
  int32_t token = 0;
  float logprob = 0;  // log_softmax(logits / temperature)[token] over the whole vocabulary
};

// Keeps scratch memory; one per thread.
class Sampler {
 public:
  Sampler(const kernels::Ops& ops, int64_t vocab_size);

  // Looks at logits[vocab_size], which must stay in place for the draws that follow. kDiverged when
  // a logit is not finite. Top-k first, then top-p on what is left, renormalised: the fewest
  // tokens, most likely first (ties: lowest id), whose probabilities reach top_p.
  void Prepare(const float* logits, const Sampling& sampling);
  Draw Sample(uint64_t sample_id, uint64_t position) const;
  float Logprob(int32_t token) const;

  // The tokens that can be drawn, most likely first, with their unnormalised probabilities; empty
  // when neither top_k nor top_p is on.
  const std::vector<std::pair<float, int32_t>>& kept() const { return kept_; }

 private:
  void KeepMostLikely(const Sampling& sampling);
  int32_t DrawFromAll(double uniform) const;
  int32_t DrawFromKept(double uniform) const;
  int32_t MostLikely() const;

  const kernels::Ops& ops_;
  int64_t vocab_size_;
  const float* logits_ = nullptr;
  bool greedy_ = false;
  uint64_t seed_ = 0;
  float temperature_ = 1;
  float max_ = 0;
  double total_ = 0;  // sum of exp(logit / temperature - max)
  double log_total_ = 0;
  std::vector<float> chunk_sums_;  // of that sum, one per kChunk tokens
  std::vector<std::pair<float, int32_t>> kept_;
  double kept_total_ = 0;
};

// kUsage for a temperature, top_p, top_k or max_new_tokens out of range.
void CheckSampling(const Sampling& sampling);

}  // namespace cohort::rollout
