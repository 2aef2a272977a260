#pragma once

// config.json <-> AttentionConfig, one pair of functions for each way that families spell it.

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

void ReadLlamaAttention(const ConfigFields& fields, ModelConfig* config);
void ReadMistralAttention(const ConfigFields& fields, ModelConfig* config);
void ReadMixtralAttention(const ConfigFields& fields, ModelConfig* config);
void ReadQwen2Attention(const ConfigFields& fields, ModelConfig* config);
void ReadQwen2MoeAttention(const ConfigFields& fields, ModelConfig* config);
void ReadQwen3Attention(const ConfigFields& fields, ModelConfig* config);
void ReadGlm4Attention(const ConfigFields& fields, ModelConfig* config);
// And config->linear.
void ReadQwen3NextAttention(const ConfigFields& fields, ModelConfig* config);
void ReadQwen35Attention(const ConfigFields& fields, ModelConfig* config);
void ReadOlmoAttention(const ConfigFields& fields, ModelConfig* config);  // olmo2, olmo3, olmoe
void ReadGemma2Attention(const ConfigFields& fields, ModelConfig* config);
void ReadGemma3Attention(const ConfigFields& fields, ModelConfig* config);
void ReadPhi3Attention(const ConfigFields& fields, ModelConfig* config);
void ReadSmolLm3Attention(const ConfigFields& fields, ModelConfig* config);
void ReadSeedOssAttention(const ConfigFields& fields, ModelConfig* config);
void ReadGraniteAttention(const ConfigFields& fields, ModelConfig* config);
void ReadGptOssAttention(const ConfigFields& fields, ModelConfig* config);
void ReadDeepSeekV2Attention(const ConfigFields& fields, ModelConfig* config);
void ReadDeepSeekV3Attention(const ConfigFields& fields, ModelConfig* config);
// Within index_topk tokens its sparse attention chooses all of them (arXiv 2512.02556 section 2.1):
// the model is a deepseek_v3 of so many positions.
void ReadDeepSeekV32Attention(const ConfigFields& fields, ModelConfig* config);

// Qwen2.5's field for a million tokens, dual chunk attention (arXiv 2402.17463), of any family.
// Within its first chunk it is attention: the model is one of so many positions. transformers does
// not heed it.
constexpr char kDualChunks[] = "dual_chunk_attention_config";
void ReadDualChunks(const ConfigFields& fields, ModelConfig* config);

nlohmann::json HeadsToJson(const ModelConfig& config);        // qwen2, mistral, mixtral, phi3
nlohmann::json BiasedHeadsToJson(const ModelConfig& config);  // with attention_bias
nlohmann::json Qwen2MoeAttentionToJson(const ModelConfig& config);
nlohmann::json Glm4AttentionToJson(const ModelConfig& config);
nlohmann::json Qwen3NextAttentionToJson(const ModelConfig& config);  // qwen3_5_text too
nlohmann::json GemmaAttentionToJson(const ModelConfig& config);
nlohmann::json SmolLm3AttentionToJson(const ModelConfig& config);
nlohmann::json SeedOssAttentionToJson(const ModelConfig& config);
nlohmann::json GraniteAttentionToJson(const ModelConfig& config);
nlohmann::json LatentAttentionToJson(const ModelConfig& config);

}  // namespace cohort::policy
