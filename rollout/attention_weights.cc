#include "rollout/attention_weights.h"

#include <algorithm>

#include "rollout/weight_packing.h"

namespace cohort::rollout {

namespace {

using kernels::kPanelColumns;
using kernels::PackedMatrix;

struct InputPart {
  const char* name;
  int64_t width, offset;
};

}  // namespace

kernels::KvLayout KvLayoutOf(const policy::AttentionConfig& attention) {
  return {attention.num_kv_heads, attention.head_dim};
}

AttentionColumns::AttentionColumns(const policy::AttentionConfig& attention)
    : query_width(attention.num_heads * attention.head_dim),
      key_width(attention.num_kv_heads * attention.head_dim),
      value_width(key_width) {}

AttentionWeights AllocateAttention(const policy::ModelConfig& config, kernels::Storage storage) {
  const AttentionColumns columns(config.attention);
  AttentionWeights attention;
  attention.input = PackedMatrix(columns.total(), config.width, storage);
  attention.output = PackedMatrix(config.width, columns.query_width, storage);
  if (config.attention.qkv_bias) {
    attention.input_bias.assign(static_cast<size_t>(columns.total()), 0.0f);
  }
  return attention;
}

int64_t AttentionWeightCount(const policy::ModelConfig& config) {
  const AttentionColumns columns(config.attention);
  return (columns.total() + columns.query_width) * config.width;
}

void LoadAttention(kernels::ThreadPool& pool, AttentionWeights& attention,
                   const policy::ModelConfig& config, const policy::WeightMap& weights,
                   const std::string& prefix) {
  const AttentionColumns columns(config.attention);
  for (const auto& [name, width, offset] :
       {InputPart{"q_proj", columns.query_width, 0},
        InputPart{"k_proj", columns.key_width, columns.key_offset()},
        InputPart{"v_proj", columns.value_width, columns.value_offset()}}) {
    PackTensor(pool, attention.input,
               FetchTensor(weights, prefix + name + ".weight", {width, config.width}),
               {offset / kPanelColumns, 1});
    if (!config.attention.qkv_bias) continue;
    const std::vector<float> bias = FetchVector(weights, prefix + name + ".bias", width);
    std::copy(bias.begin(), bias.end(), attention.input_bias.begin() + offset);
  }
  if (config.attention.qk_norm) {
    attention.query_norm =
        FetchVector(weights, prefix + "q_norm.weight", config.attention.head_dim);
    attention.key_norm = FetchVector(weights, prefix + "k_norm.weight", config.attention.head_dim);
  }
  PackTensor(pool, attention.output,
             FetchTensor(weights, prefix + "o_proj.weight", {config.width, columns.query_width}));
}

}  // namespace cohort::rollout
