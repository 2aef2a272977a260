#pragma once

// config.json <-> AttentionConfig, one pair of functions for each way that families spell it.

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

void ReadLlamaAttention(const ConfigFields& fields, ModelConfig& config);
void ReadQwen2Attention(const ConfigFields& fields, ModelConfig& config);
void ReadQwen3Attention(const ConfigFields& fields, ModelConfig& config);
void ReadMixtralAttention(const ConfigFields& fields, ModelConfig& config);
void ReadGlm4Attention(const ConfigFields& fields, ModelConfig& config);
void ReadDeepSeekV2Attention(const ConfigFields& fields, ModelConfig& config);
void ReadDeepSeekV3Attention(const ConfigFields& fields, ModelConfig& config);

void WriteHeads(const ModelConfig& config, nlohmann::json& out);          // qwen2, mixtral
void WriteUnbiasedHeads(const ModelConfig& config, nlohmann::json& out);  // llama, qwen3, qwen3_moe
void WriteGlm4Attention(const ModelConfig& config, nlohmann::json& out);
void WriteLatentAttention(const ModelConfig& config, nlohmann::json& out);

}  // namespace cohort::policy
