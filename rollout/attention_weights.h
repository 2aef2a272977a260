#pragma once

// The weights of one attention layer in the layout that the kernels read.

#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/thread_pool.h"
#include "policy/config.h"
#include "policy/weights.h"

namespace cohort::rollout {

// What the KV cache keeps of a token in one layer.
kernels::KvLayout KvLayoutOf(const policy::AttentionConfig& attention);

// What the layer's first product leaves in a row: queries, keys, values, each part padded to whole
// panels.
struct AttentionColumns {
  explicit AttentionColumns(const policy::AttentionConfig& attention);

  int64_t query_width, key_width, value_width;

  int64_t key_offset() const { return kernels::PadToPanel(query_width); }
  int64_t value_offset() const { return key_offset() + kernels::PadToPanel(key_width); }
  int64_t total() const { return value_offset() + kernels::PadToPanel(value_width); }
};

struct AttentionWeights {
  kernels::PackedMatrix input;              // columns as AttentionColumns says
  std::vector<float> input_bias;            // one a column; empty without qkv_bias
  std::vector<float> query_norm, key_norm;  // [head_dim]; empty without qk_norm
  kernels::PackedMatrix output;             // o_proj
};

// std::bad_alloc when memory does not suffice.
AttentionWeights AllocateAttention(const policy::ModelConfig& config, kernels::Storage storage);

// Numbers that the matrices of a layer hold.
int64_t AttentionWeightCount(const policy::ModelConfig& config);

// Fills all of a layer's; `prefix` ends in "self_attn.". Errors as FetchTensor's.
void LoadAttention(kernels::ThreadPool& pool, AttentionWeights& attention,
                   const policy::ModelConfig& config, const policy::WeightMap& weights,
                   const std::string& prefix);

}  // namespace cohort::rollout
