#pragma once

// config.json <-> the gated delta nets of LinearAttentionConfig, and their widths.

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

// The eps beside the sum of squares when queries and keys are brought to length 1: transformers'
// l2norm.
constexpr double kDeltaKeyNormEps = 1e-6;

constexpr int64_t kMaxConvWidth = 64;

// Numbers of all heads.
inline int64_t KeyWidth(const LinearAttentionConfig& linear) {
  return linear.num_key_heads * linear.key_dim;
}
inline int64_t ValueWidth(const LinearAttentionConfig& linear) {
  return linear.num_value_heads * linear.value_dim;
}
// Queries, keys and values pass the convolution side by side.
inline int64_t ConvChannels(const LinearAttentionConfig& linear) {
  return 2 * KeyWidth(linear) + ValueWidth(linear);
}

// config->num_layers is read before. layer_types names each layer "linear_attention" or
// "full_attention"; without it every full_attention_interval-th is full.
void ReadLinearAttention(const ConfigFields& fields, ModelConfig* config);
nlohmann::json LinearAttentionToJson(const ModelConfig& config);

}  // namespace cohort::policy
