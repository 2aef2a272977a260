#pragma once

// A small shape of every family and of every switch in it, with sizes that are no multiples of a
// vector. Rotary scaling starts from a context of 32, so that texts run far beyond it.

#include <string>

#include "policy/config/config.h"

namespace cohort::rollout {

inline policy::ModelConfig DenseConfig(const std::string& family) {
  policy::ModelConfig config;
  config.family = family;
  config.vocab_size = 90;
  config.width = 40;
  config.num_layers = 3;
  config.ffn_width = 56;
  config.max_positions = 192;
  config.attention.num_heads = 4;
  config.attention.num_kv_heads = 2;
  config.attention.head_dim = 10;
  return config;
}

inline policy::ModelConfig SoftmaxMoeConfig(const std::string& family) {
  policy::ModelConfig config = DenseConfig(family);
  config.moe.num_experts = 9;
  config.moe.experts_per_token = 3;
  config.moe.expert_width = 20;
  config.moe.score = policy::GateScore::kSoftmax;
  config.moe.selection_bias = false;
  return config;
}

inline void UseYarn(policy::RopeConfig& rope) {
  rope.kind = policy::RopeKind::kYarn;
  rope.factor = 6.0;
  rope.original_max_positions = 32;
  rope.beta_fast = 4.0;
}

inline policy::ModelConfig LlamaConfig() {
  policy::ModelConfig config = DenseConfig("llama");
  config.tie_embeddings = true;
  config.rope.kind = policy::RopeKind::kLlama3;
  config.rope.factor = 8.0;
  config.rope.original_max_positions = 32;
  return config;
}

inline policy::ModelConfig Olmo3Config() {
  policy::ModelConfig config = DenseConfig("olmo3");
  config.norm_placement = policy::NormPlacement::kAfter;
  config.attention.qk_norm = policy::QkNorm::kProjection;
  config.attention.sliding_window = 24;
  config.attention.full_layers = {1};
  config.windowed_rope = config.rope;
  UseYarn(config.rope);
  return config;
}

inline policy::ModelConfig GemmaConfig(const std::string& family) {
  policy::ModelConfig config = DenseConfig(family);
  config.norm_placement = policy::NormPlacement::kAround;
  config.norm_adds_one = true;
  config.gated_unit = policy::GatedUnit::kGeGlu;
  config.tie_embeddings = true;
  config.embedding_scale = 6.0;
  config.logit_soft_cap = 5.0;
  config.attention.scale = 0.25;
  config.attention.sliding_window = 24;
  config.attention.full_layers = {1};
  return config;
}

inline policy::ModelConfig Gemma2Config() {
  policy::ModelConfig config = GemmaConfig("gemma2");
  config.attention.soft_cap = 3.0;
  return config;
}

inline policy::ModelConfig Gemma3Config() {
  policy::ModelConfig config = GemmaConfig("gemma3_text");
  config.attention.qk_norm = policy::QkNorm::kHead;
  config.windowed_rope = config.rope;
  config.rope.base = 1e6;
  return config;
}

inline policy::ModelConfig Glm4Config() {
  policy::ModelConfig config = DenseConfig("glm4_moe");
  config.attention.qkv_bias = true;
  config.attention.qk_norm = policy::QkNorm::kHead;
  UseYarn(config.rope);
  policy::MoeConfig& moe = config.moe;
  moe.num_experts = 12;
  moe.experts_per_token = 3;
  moe.expert_width = moe.shared_width = 20;
  moe.num_groups = 4;
  moe.groups_per_token = 2;
  moe.routed_scaling = 1.5;
  moe.first_dense_layers = 1;
  return config;
}

// Two gated delta nets, then attention with a gate.
inline policy::ModelConfig Qwen35Config() {
  policy::ModelConfig config = DenseConfig("qwen3_5_text");
  config.norm_eps = 0.01;  // a head's output near zero is not divided by its own size
  config.norm_adds_one = true;
  config.attention.qk_norm = policy::QkNorm::kHead;
  config.attention.gated_output = true;
  config.attention.head_dim = 16;
  config.attention.partly_rotated = 4;
  config.rope.partial_rotary_factor = 0.25;
  config.linear = {.layers = {0, 1},
                   .num_key_heads = 2,
                   .num_value_heads = 4,
                   .key_dim = 4,
                   .value_dim = 18,
                   .conv_width = 4,
                   .separate_projections = true};
  return config;
}

inline policy::ModelConfig Qwen3NextConfig() {
  policy::ModelConfig config = Qwen35Config();
  config.family = "qwen3_next";
  config.moe = SoftmaxMoeConfig("qwen3_next").moe;
  config.moe.dense_layers = {1};
  config.moe.shared_width = 24;
  config.moe.shared_gate = true;
  config.linear.layers = {0, 2};
  config.linear.conv_width = 3;
  config.linear.separate_projections = false;
  return config;
}

inline policy::ModelConfig LatentConfig(const std::string& family) {
  policy::ModelConfig config = DenseConfig(family);
  policy::AttentionConfig& attention = config.attention;
  attention.kind = policy::AttentionKind::kLatent;
  attention.num_heads = attention.num_kv_heads = 5;
  attention.kv_lora_rank = 20;
  attention.qk_nope_head_dim = 12;
  attention.qk_rope_head_dim = 8;
  attention.v_head_dim = 10;
  config.rope.interleaved = true;
  policy::MoeConfig& moe = config.moe;
  moe.num_experts = 12;
  moe.experts_per_token = 4;
  moe.expert_width = 20;
  moe.shared_width = 40;
  moe.routed_scaling = 2.5;
  moe.first_dense_layers = 1;
  return config;
}

inline policy::ModelConfig DeepSeekV2Config() {
  policy::ModelConfig config = LatentConfig("deepseek_v2");
  UseYarn(config.rope);
  config.rope.mscale = config.rope.mscale_all_dim = 0.707;
  policy::MoeConfig& moe = config.moe;
  moe.score = policy::GateScore::kSoftmax;
  moe.selection_bias = moe.normalize_weights = false;
  moe.num_groups = 4;
  moe.groups_per_token = 2;
  moe.group_score = policy::GroupScore::kMax;
  return config;
}

inline policy::ModelConfig DeepSeekV3Config() {
  policy::ModelConfig config = LatentConfig("deepseek_v3");
  config.attention.q_lora_rank = 28;
  UseYarn(config.rope);
  config.rope.mscale = 1.0;
  config.rope.mscale_all_dim = 0.8;
  config.moe.num_groups = 4;
  config.moe.groups_per_token = 2;
  return config;
}

inline policy::ModelConfig GptOssConfig() {
  policy::ModelConfig config = SoftmaxMoeConfig("gpt_oss");
  config.attention.has_sinks = true;
  config.attention.sliding_window = 20;
  config.attention.full_layers = {1};
  UseYarn(config.rope);
  config.rope.truncate = false;
  config.gated_unit = policy::GatedUnit::kClampedSwiGlu;
  config.attention.qkv_bias = config.attention.output_bias = true;
  config.moe.router_bias = config.moe.expert_bias = true;
  return config;
}

inline policy::ModelConfig SharedGateConfig() {
  policy::ModelConfig config = SoftmaxMoeConfig("qwen2_moe");
  config.attention.qkv_bias = true;
  config.moe.normalize_weights = false;
  config.moe.shared_width = 27;
  config.moe.shared_gate = true;
  config.moe.dense_layers = {1};
  return config;
}

inline policy::ModelConfig OlmoeConfig() {
  policy::ModelConfig config = SoftmaxMoeConfig("olmoe");
  config.attention.qk_norm = policy::QkNorm::kProjection;
  config.moe.normalize_weights = false;
  return config;
}

}  // namespace cohort::rollout
