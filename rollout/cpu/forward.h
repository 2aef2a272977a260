#pragma once

// The transformer over rows of tokens: embedding, layers of RMSNorm, attention and gated FFN,
// the FFN of MoE layers being routed experts plus a shared one, head. A row is one token of one
// sequence; rows of prompts, decoding samples and scored texts go through the same code, so their
// bits agree.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/gate.h"
#include "kernels/cpu/moe.h"
#include "kernels/cpu/thread_pool.h"
#include "policy/config/routing_format.h"
#include "rollout/cpu/attention_block.h"
#include "rollout/cpu/delta_net_block.h"
#include "rollout/cpu/forward_context.h"
#include "rollout/decoder/model_runner.h"

namespace cohort::rollout {

// Keeps its activations' memory between steps; shapes: M rows, D width.
class Forward {
 public:
  Forward(const ForwardContext& context, kernels::ThreadPool& pool);

  // Writes the sequences' keys and values into the cache and keeps the last layer's output of every
  // row; rows are numbered through the sequences in order.
  void Run(std::span<const SequenceRows> sequences);

  // fp32 logits[i * ld_logits() + token], scaled and capped as the model's are, of the picked rows
  // of the last Run.
  const float* Logits(std::span<const int64_t> rows);
  int64_t ld_logits() const { return kernels::PadToPanel(context_.config.vocab_size); }

  kernels::ThreadPool& pool() { return pool_; }

 private:
  void CapLogits(int64_t rows);
  void PlaceRows(std::span<const SequenceRows> sequences, size_t group);
  void BundleRows(std::span<const SequenceRows> sequences, size_t group);
  void Embed(std::span<const SequenceRows> sequences);
  void Attend(const LayerWeights& layer, int64_t index);
  void DenseLayer(const LayerWeights& layer);
  void MoeLayer(const LayerWeights& layer);
  void Route(const LayerWeights& layer);
  void RecordRouting(std::span<const SequenceRows> sequences, int64_t moe_layer) const;
  void GateShared(const LayerWeights& layer);  // shared_ times the sigmoid of its gate
  // The residual stream as attention or an FFN takes it: normalised, where the model does.
  const float* Input(const std::vector<float>& norm);
  // A product goes into the residual stream at once where nothing happens to it on the way: Add
  // then has nothing to do. Else it is stored apart and Add brings it in.
  struct Outcome {
    std::span<const float> norm, bias;  // empty where there is none; the bias comes first
  };
  bool AddsAtOnce(const Outcome& outcome) const;
  AttentionBlock::Output OutputOf(const Outcome& outcome);
  void Add(const Outcome& outcome);
  int64_t ld_ffn(const FfnWeights& ffn) const {
    return ffn.gate_up.panels() * kernels::kPanelColumns;
  }
  void RunFfn(const FfnWeights& ffn, const float* x, const AttentionBlock::Output& output);

  ForwardContext context_;
  kernels::ThreadPool& pool_;
  int64_t width_, ld_;
  kernels::GateRule gate_rule_;
  policy::RoutingFormat routing_;
  AttentionBlock attention_;
  DeltaNetBlock delta_net_;

  int64_t rows_ = 0;
  std::vector<AttentionRows> attention_rows_;    // for each group of layers
  std::vector<RecurrentRows> recurrent_rows_;    // of each sequence
  std::vector<float> hidden_, normed_, output_;  // [M, ld]
  std::vector<float> gate_up_, activated_, shared_, shared_gates_;
  std::vector<float> router_logits_, expert_weights_;
  std::vector<int32_t> experts_;
  std::vector<float> picked_, logits_;
  kernels::MoeScratch moe_scratch_;
};

}  // namespace cohort::rollout
