#pragma once

// The shape of a model, as config.json states it.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace cohort::policy {

// DeepSeek-V3's mixture of experts (arXiv 2412.19437, eq. 12-16) without groups: sigmoid gate,
// selection bias, normalised top-k weights. num_experts == 0 means a dense model.
struct MoeConfig {
  int64_t num_experts = 0;         // E, routed
  int64_t experts_per_token = 0;   // K
  int64_t num_shared_experts = 0;  // width of the shared expert = num_shared_experts * expert_width
  int64_t expert_width = 0;        // m
  int64_t first_dense_layers = 0;  // layers before this index have a dense FFN of width ffn_width
  double routed_scaling = 1.0;
  bool normalize_weights = true;  // divide the K picked gate values by their sum + 1e-20
};

struct ModelConfig {
  // Hugging Face model_type: "llama", or "glm4_moe" (Llama attention + the MoE above).
  std::string family = "llama";
  int64_t vocab_size = 0;  // V
  int64_t width = 0;       // D
  int64_t num_layers = 0;
  int64_t num_heads = 0;  // H
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t ffn_width = 0;      // dense layers
  int64_t max_positions = 0;  // context length
  double rope_base = 10000.0;
  double norm_eps = 1e-5;
  bool tie_embeddings = false;
  int64_t bos_id = -1;  // -1: none
  std::vector<int64_t> eos_ids;
  MoeConfig moe;

  bool IsMoeLayer(int64_t layer) const {
    return moe.num_experts > 0 && layer >= moe.first_dense_layers;
  }
};

// Reads transformers 4 and 5 dialects. A field that changes the mathematics and is not supported is
// refused by name (kUsage), never ignored; a missing or ill-typed field is named with the file.
ModelConfig ParseConfig(const nlohmann::json& config, const std::string& file_name);
ModelConfig ReadConfig(const std::filesystem::path& config_json);

// config.json that transformers loads (LlamaForCausalLM, Glm4MoeForCausalLM).
nlohmann::json ConfigToJson(const ModelConfig& config, const std::string& dtype);

int64_t CountParameters(const ModelConfig& config);

}  // namespace cohort::policy
