#pragma once

// A small random model of every family and of every switch in it.

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "base/counter_random.h"
#include "policy/weights/weights.h"
#include "rollout/cpu/layer_groups.h"
#include "tests/rollout/family_configs.h"

namespace cohort::rollout {

struct FamilyModel {
  std::string name;
  policy::ModelConfig config;
};

inline void PrintTo(const FamilyModel& model, std::ostream* out) { *out << model.name; }

inline std::vector<FamilyModel> FamilyModels() {
  std::vector<FamilyModel> models = {{"llama", LlamaConfig()},
                                     {"qwen2", DenseConfig("qwen2")},
                                     {"qwen3", DenseConfig("qwen3")},
                                     {"qwen3_moe", SoftmaxMoeConfig("qwen3_moe")},
                                     {"qwen3_moe_every_second", SoftmaxMoeConfig("qwen3_moe")},
                                     {"mixtral", SoftmaxMoeConfig("mixtral")},
                                     {"glm4_moe", Glm4Config()},
                                     {"deepseek_v2", DeepSeekV2Config()},
                                     {"deepseek_v3", DeepSeekV3Config()},
                                     {"deepseek_v3_plain", LatentConfig("deepseek_v3")},
                                     {"mistral", DenseConfig("mistral")},
                                     {"qwen2_windows", DenseConfig("qwen2")},
                                     {"glm4_moe_partly_rotated", Glm4Config()},
                                     {"seed_oss", DenseConfig("seed_oss")},
                                     {"smollm3", DenseConfig("smollm3")},
                                     {"granite", DenseConfig("granite")},
                                     {"phi3", DenseConfig("phi3")},
                                     {"olmo2", DenseConfig("olmo2")},
                                     {"olmo3", Olmo3Config()},
                                     {"gemma2", Gemma2Config()},
                                     {"gemma3", Gemma3Config()},
                                     {"gpt_oss", GptOssConfig()},
                                     {"qwen2_moe", SharedGateConfig()},
                                     {"olmoe", OlmoeConfig()},
                                     {"qwen3_5_text", Qwen35Config()},
                                     {"qwen3_next", Qwen3NextConfig()},
                                     {"phi3_longrope", DenseConfig("phi3")}};
  models[1].config.attention.qkv_bias = true;
  for (const size_t i : {2, 3, 4}) {
    models[i].config.attention.qk_norm = policy::QkNorm::kHead;
    models[i].config.attention.head_dim = 14;  // not width / heads
  }
  models[3].config.moe.dense_layers = {0};
  models[4].config.moe.sparse_step = 2;
  models[4].config.moe.normalize_weights = false;
  models[9].config.rope.interleaved = false;
  models[10].config.attention.sliding_window = 20;
  models[11].config.attention.qkv_bias = true;
  models[11].config.attention.sliding_window = 40;
  models[11].config.attention.full_layers = {1};
  models[12].config.attention.partly_rotated = 4;
  models[12].config.rope.partial_rotary_factor = 0.4;
  models[13].config.attention.qkv_bias = models[13].config.attention.output_bias = true;
  models[14].config.attention.unrotated_layers = {1};
  models[15].config.embedding_scale = 3.0;
  models[15].config.residual_scale = 0.6;
  models[15].config.logit_scale = 0.5;
  models[15].config.attention.scale = 0.2;
  models[16].config.fused_projections = true;
  models[16].config.attention.qkv_bias = true;
  models[16].config.attention.partly_rotated = 6;
  models[17].config.norm_placement = policy::NormPlacement::kAfter;
  models[17].config.attention.qk_norm = policy::QkNorm::kProjection;
  policy::RopeConfig& long_rope = models.back().config.rope;
  long_rope.kind = policy::RopeKind::kLongRope;
  long_rope.factor = 6.0;
  long_rope.original_max_positions = 32;
  long_rope.short_factors = {1.0, 1.1, 1.2, 1.3, 1.4};
  long_rope.long_factors = {1.0, 2.0, 4.0, 6.0, 8.0};
  return models;
}

// `scale` 8: large enough for logits to differ by several units; norms, biases and selection biases
// (of both signs) that nothing could leave out unnoticed.
inline policy::WeightMap RandomWeights(const policy::ModelConfig& config, uint64_t seed = 7,
                                       double scale = 8.0) {
  policy::WeightMap weights = policy::InitialWeights(config, seed);
  uint64_t stream = 0;
  for (auto& [name, tensor] : weights) {
    if (tensor.dim() > 1 && !name.ends_with("_bias")) {
      tensor.mul_(scale);
      continue;
    }
    ++stream;
    const bool norm = name.ends_with("norm.weight");
    const double range = name.ends_with("gate_up_proj_bias") ? 20 : 1;  // beyond gpt_oss's limit
    float* values = tensor.data_ptr<float>();
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      const double draw = base::UniformDraw(seed, stream, static_cast<uint64_t>(i));
      values[i] = static_cast<float>(norm ? 0.7 + 0.6 * draw : range * (draw - 0.5));
    }
  }
  return weights;
}

// One group of layers, which keeps every token.
inline LayerGroups LayersAlike(int64_t num_layers) {
  return LayerGroups(std::vector<int64_t>(static_cast<size_t>(num_layers), 0));
}

// The same ids every time; different ones for each `seed`.
inline std::vector<int32_t> RandomIds(const policy::ModelConfig& config, size_t length,
                                      uint64_t seed) {
  std::vector<int32_t> ids;
  for (uint64_t i = 0; i < length; ++i) {
    const double draw = base::UniformDraw(5, seed, i);
    ids.push_back(static_cast<int32_t>(draw * static_cast<double>(config.vocab_size)));
  }
  return ids;
}

}  // namespace cohort::rollout
