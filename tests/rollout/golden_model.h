#pragma once

// The tiny random models of tests/golden/rollout with what transformers computed for them.

#include <ATen/ATen.h>

#include <bit>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "policy/config/config.h"
#include "policy/weights/weights.h"

namespace cohort::rollout {

struct GoldenText {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;  // [i]: of ids[i + 1]
};

struct GoldenModel {
  policy::ModelConfig config;
  policy::WeightMap weights;
  std::vector<GoldenText> texts;
  std::vector<int32_t> greedy_prompt, greedy_ids;
};

inline policy::ModelConfig GoldenConfig(const nlohmann::json& from) {
  policy::ModelConfig config;
  config.family = from.at("family");
  config.vocab_size = from.at("vocab_size");
  config.width = from.at("width");
  config.num_layers = from.at("num_layers");
  config.attention.num_heads = from.at("num_heads");
  config.attention.num_kv_heads = from.at("num_kv_heads");
  config.attention.head_dim = from.at("head_dim");
  config.ffn_width = from.at("ffn_width");
  config.max_positions = from.at("max_positions");
  config.rope.base = from.at("rope_base");
  config.norm_eps = from.at("norm_eps");
  config.tie_embeddings = from.at("tie_embeddings");
  if (!from.contains("moe")) return config;
  const nlohmann::json& moe = from.at("moe");
  config.moe.num_experts = moe.at("num_experts");
  config.moe.experts_per_token = moe.at("experts_per_token");
  config.moe.expert_width = moe.at("expert_width");
  config.moe.shared_width = moe.at("num_shared_experts").get<int64_t>() * config.moe.expert_width;
  config.moe.first_dense_layers = moe.at("first_dense_layers");
  config.moe.routed_scaling = moe.at("routed_scaling");
  config.moe.normalize_weights = moe.at("normalize_weights");
  return config;
}

// NAME.json beside NAME.bf16, the tensors one after another in little-endian bf16.
inline GoldenModel ReadGolden(const std::string& name) {
  const std::string stem = std::string(COHORT_GOLDEN_DIR) + "/rollout/" + name;
  std::ifstream json_file(stem + ".json"), blob(stem + ".bf16", std::ios::binary);
  if (!json_file || !blob) throw std::runtime_error("cannot read " + stem + ".json and .bf16");
  const nlohmann::json golden = nlohmann::json::parse(json_file);
  GoldenModel model;
  model.config = GoldenConfig(golden.at("config"));
  for (const nlohmann::json& entry : golden.at("tensors")) {
    at::Tensor tensor = at::empty(entry.at("shape").get<std::vector<int64_t>>(), at::kFloat);
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      uint16_t half = 0;
      blob.read(reinterpret_cast<char*>(&half), 2);
      tensor.data_ptr<float>()[i] = std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
    }
    if (!blob) throw std::runtime_error(stem + ".bf16 is too short");
    model.weights[entry.at("name")] = tensor;
  }
  for (const nlohmann::json& text : golden.at("texts")) {
    model.texts.push_back({text.at("ids"), text.at("logprobs")});
  }
  model.greedy_prompt = golden.at("greedy").at("prompt").get<std::vector<int32_t>>();
  model.greedy_ids = golden.at("greedy").at("ids").get<std::vector<int32_t>>();
  return model;
}

}  // namespace cohort::rollout
