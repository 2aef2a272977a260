#pragma once

// A gated delta net (arXiv 2412.06464) over rows of tokens: projections, the short convolution, the
// recurrent rule, gated norm. It reads and writes the sequences' slots of the recurrent states.

#include <cstdint>
#include <vector>

#include "kernels/cpu/delta_rule.h"
#include "kernels/cpu/thread_pool.h"
#include "rollout/cpu/attention_block.h"
#include "rollout/cpu/delta_net_weights.h"
#include "rollout/cpu/forward_context.h"

namespace cohort::rollout {

// Consecutive rows of a step that belong to one sequence.
struct RecurrentRows {
  int64_t first = 0, count = 0;
  int32_t slot = 0;
};

// Keeps its activations' memory between calls; shapes: M rows, D width, and those of
// delta_net_weights.h.
class DeltaNetBlock {
 public:
  DeltaNetBlock(const ForwardContext& context, kernels::ThreadPool& pool);

  // out_proj(delta_net(x)), stored in or added to `output`; the states of layer `index` go on by
  // the rows.
  void Run(const DeltaNetWeights& weights, int64_t index,
           const std::vector<RecurrentRows>& sequences, const float* x,
           const AttentionBlock::Output& output);

 private:
  void Convolve(const DeltaNetWeights& weights, int64_t index, const RecurrentRows& rows);
  void KeepWindow(int64_t index, const RecurrentRows& rows);
  void PrepareRow(const DeltaNetWeights& weights, int64_t row);
  void GateRow(const DeltaNetWeights& weights, int64_t row);
  float* Input(int64_t row) { return input_.data() + row * columns_.total(); }

  ForwardContext context_;
  const policy::LinearAttentionConfig& shape_;
  kernels::ThreadPool& pool_;
  DeltaNetColumns columns_;
  int64_t ld_;                                // of rows of width D
  std::vector<float> query_norm_, key_norm_;  // [key_dim]: bring a head to its length

  std::vector<float> input_;         // [M, total]
  std::vector<float> mixed_;         // [M, channels]
  std::vector<float> decay_, beta_;  // [M, H]
  std::vector<float> attended_;      // [M, H * value_dim]
  std::vector<kernels::DeltaRun> runs_;
};

}  // namespace cohort::rollout
