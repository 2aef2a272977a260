#pragma once

// config.json <-> AttentionConfig, one pair of functions for each way that families spell it.

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

void ReadLlamaAttention(const ConfigFields& fields, ModelConfig* config);
void ReadQwen2Attention(const ConfigFields& fields, ModelConfig* config);
void ReadQwen3Attention(const ConfigFields& fields, ModelConfig* config);
void ReadMistralAttention(const ConfigFields& fields, ModelConfig* config);
void ReadMixtralAttention(const ConfigFields& fields, ModelConfig* config);
void ReadGlm4Attention(const ConfigFields& fields, ModelConfig* config);
void ReadDeepSeekV2Attention(const ConfigFields& fields, ModelConfig* config);
void ReadDeepSeekV3Attention(const ConfigFields& fields, ModelConfig* config);

nlohmann::json HeadsToJson(const ModelConfig& config);          // qwen2, mistral, mixtral
nlohmann::json UnbiasedHeadsToJson(const ModelConfig& config);  // llama, qwen3, qwen3_moe
nlohmann::json Glm4AttentionToJson(const ModelConfig& config);
nlohmann::json LatentAttentionToJson(const ModelConfig& config);

}  // namespace cohort::policy
