#pragma once

// The weights of one gated delta net in the layout that the kernels read, whichever way its folder
// cuts the projections.
//
// G key heads, H value heads, W conv_width.

#include <string>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/thread_pool.h"
#include "policy/config/config.h"
#include "policy/weights/weight_source.h"

namespace cohort::rollout {

// The columns of the layer's first product: what the convolution takes (queries, keys, values),
// gates, and each value head's b and a; each part padded to whole panels.
struct DeltaNetColumns {
  explicit DeltaNetColumns(const policy::LinearAttentionConfig& linear);

  int64_t channels, gates, heads;

  int64_t gate_offset() const { return kernels::PadToPanel(channels); }
  int64_t b_offset() const { return gate_offset() + kernels::PadToPanel(gates); }
  int64_t a_offset() const { return b_offset() + kernels::PadToPanel(heads); }
  int64_t total() const { return a_offset() + kernels::PadToPanel(heads); }
};

struct DeltaNetWeights {
  kernels::PackedMatrix input;   // columns as DeltaNetColumns says
  std::vector<float> conv;       // [W, channels]
  std::vector<float> rate;       // [H]: e^A_log
  std::vector<float> rate_bias;  // [H]: dt_bias
  std::vector<float> norm;       // [value_dim]
  kernels::PackedMatrix output;  // out_proj
};

// std::bad_alloc when memory does not suffice.
DeltaNetWeights AllocateDeltaNet(const policy::ModelConfig& config, kernels::Storage storage);

// Numbers that the matrices of a layer hold.
int64_t DeltaNetWeightCount(const policy::ModelConfig& config);

// Fills all of a layer's; `prefix` ends in "linear_attn.". Errors as TakeTensor's.
void LoadDeltaNet(kernels::ThreadPool& pool, const policy::ModelConfig& config,
                  policy::WeightSource& weights, const std::string& prefix,
                  DeltaNetWeights* delta_net);

}  // namespace cohort::rollout
