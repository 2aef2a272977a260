#pragma once

// The transformer over rows of tokens: Llama's layers (RMSNorm, rotary grouped-query attention,
// SiLU-gated FFN), the FFN of MoE layers being routed experts plus a shared one. A row is one token
// of one sequence; rows of prompts, decoding samples and scored texts go through the same code, so
// their bits agree.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "kernels/moe.h"
#include "kernels/thread_pool.h"
#include "policy/config.h"
#include "rollout/decoder_weights.h"
#include "rollout/kv_cache.h"
#include "rollout/rope_table.h"

namespace cohort::rollout {

// Consecutive tokens of one sequence, from position `start`; `blocks` covers start + tokens.size().
struct Segment {
  std::span<const int32_t> tokens;
  int64_t start = 0;
  std::span<const int32_t> blocks;
};

// What a forward pass reads; all outlive it. One Forward may run on each thread at the same time,
// provided that no two write the same sequence and rope covers the positions.
struct ForwardContext {
  const policy::ModelConfig& config;
  const DecoderWeights& weights;
  const RopeTable& rope;
  KvCache& cache;
  const kernels::Ops& ops;
};

// Keeps its activations' memory between steps; shapes: M rows, D width.
class Forward {
 public:
  Forward(const ForwardContext& context, kernels::ThreadPool& pool);

  // Writes the segments' keys and values into the cache and keeps the last layer's output of every
  // row; rows are numbered through the segments in order.
  void Run(std::span<const Segment> segments);

  // fp32 logits[i * ld_logits() + token] of the picked rows of the last Run.
  const float* Logits(std::span<const int64_t> rows);
  int64_t ld_logits() const { return kernels::PadToPanel(context_.config.vocab_size); }

  kernels::ThreadPool& pool() { return pool_; }

 private:
  void PlaceRows(std::span<const Segment> segments);
  void BundleRows(std::span<const Segment> segments);
  void Embed(std::span<const Segment> segments);
  void AttentionLayer(const LayerWeights& layer, int64_t index);
  void RotateAndStore(int64_t layer);
  void DenseLayer(const LayerWeights& layer);
  void MoeLayer(const LayerWeights& layer);
  void Norm(const std::vector<float>& weight);
  int64_t ld_ffn(const FfnWeights& ffn) const {
    return ffn.gate_up.panels() * kernels::kPanelColumns;
  }
  void RunFfn(const FfnWeights& ffn, float* out, kernels::TileMode mode);

  ForwardContext context_;
  kernels::ThreadPool& pool_;
  int64_t width_, ld_, query_width_, kv_width_, ld_qkv_, key_offset_, value_offset_;

  int64_t rows_ = 0;
  std::vector<int64_t> positions_;                     // [M]
  std::vector<kernels::AttentionRow> attention_rows_;  // [M]
  std::vector<kernels::AttentionBundle> bundles_;
  std::vector<float> hidden_, normed_, qkv_, attended_;  // [M, ld]
  std::vector<float> gate_up_, activated_, shared_;
  std::vector<float> router_logits_, expert_weights_;
  std::vector<int32_t> experts_;
  std::vector<float> picked_, logits_;
  kernels::AttentionScratch attention_scratch_;
  kernels::MoeScratch moe_scratch_;
};

}  // namespace cohort::rollout
