#pragma once

// The small models of every family under tests/golden/policy/families: what transformers computes
// on weights that both sides draw from the tensors' names (see the README.md there).

#include <ATen/ops/empty.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/durable_file.h"
#include "policy/config/config.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

struct FamilyGolden {
  nlohmann::json expected;
  nlohmann::json config_4;  // the same model's config.json as transformers 4 writes it
  ModelConfig config;
};

inline const std::vector<std::string>& FamilyGoldenNames() {
  static const std::vector<std::string> names = {
      "llama",
      "llama3_rope",
      "llama_dynamic",
      "llama_linear",
      "mistral",
      "mistral_window",
      "qwen2",
      "qwen2_window",
      "qwen3_yarn",
      "smollm3",
      "seed_oss",
      "seed_oss_bias",
      "granite",
      "phi3",
      "phi3_longrope",
      "olmo2",
      "olmo3",
      "gemma2",
      "gemma3_text",
      "qwen3_moe",
      "qwen3_moe_step",
      "qwen2_moe",
      "qwen2_moe_window",
      "olmoe",
      "gpt_oss",
      "mixtral",
      "glm4_moe",
      "glm4_moe_partial",
      "deepseek_v2",
      "deepseek_v2_greedy",
      "deepseek_v3",
      "deepseek_v3_plain",
      "qwen3_5_text",
      "qwen3_5_moe_text",
      "qwen3_next",
  };
  return names;
}

// Families that are read as another one, without some of their tensors.
inline const std::vector<std::string>& ReadOnlyGoldenNames() {
  static const std::vector<std::string> names = {"deepseek_v32"};
  return names;
}

inline FamilyGolden ReadFamilyGolden(const std::string& name) {
  const std::string stem = std::string(COHORT_GOLDEN_DIR) + "/policy/families/" + name;
  FamilyGolden golden;
  golden.expected = nlohmann::json::parse(base::ReadFile(stem + ".json"));
  golden.config_4 = golden.expected.at("config");  // of a family that transformers 4 has not
  if (const std::string file = stem + ".config4.json"; std::filesystem::exists(file)) {
    golden.config_4 = nlohmann::json::parse(base::ReadFile(file));
  }
  golden.config = ParseConfig(golden.expected.at("config"), name + ".json");
  golden.config.num_mtp_layers = 0;  // transformers announces some and has none
  return golden;
}

// [-0.5, 0.5) in steps of 2^-24, from the name (FNV-1a) and the index (lowbias32).
inline at::Tensor DrawFromName(const std::string& name, const std::vector<int64_t>& shape) {
  uint32_t start = 0x811C9DC5;
  for (const char byte : name) start = (start ^ static_cast<uint8_t>(byte)) * 0x01000193;
  at::Tensor out = at::empty(shape);
  auto* values = out.mutable_data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) {
    uint32_t x = static_cast<uint32_t>(i) * 0x9E3779B1 + start;
    x = (x ^ (x >> 16)) * 0x7FEB352D;
    x = (x ^ (x >> 15)) * 0x846CA68B;
    x ^= x >> 16;
    values[i] = static_cast<float>(x >> 8) / 0x1p24F - 0.5F;
  }
  return out;
}

// A weight of that name, of a size that lets every layer matter.
inline at::Tensor DrawWeight(const std::string& name, const std::vector<int64_t>& shape) {
  at::Tensor drawn = DrawFromName(name, shape);
  if (name.ends_with("norm.weight")) return drawn.add_(1);
  if (name.ends_with("gate_up_proj_bias")) return drawn.mul_(16);  // beyond gpt_oss's limit of 7
  if (name.ends_with("bias")) return drawn;
  if (name.find("embed_tokens") != std::string::npos) return drawn.mul_(2);
  return drawn.mul_(static_cast<float>(4 / std::sqrt(static_cast<double>(shape.back()))));
}

inline WeightMap FamilyGoldenWeights(const ModelConfig& config) {
  WeightMap weights;
  for (const TensorSpec& spec : ExpectedTensors(config)) {
    weights.emplace(spec.name, DrawWeight(spec.name, spec.shape));
  }
  return weights;
}

}  // namespace cohort::policy
