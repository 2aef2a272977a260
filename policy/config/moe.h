#pragma once

// config.json <-> MoeConfig, one pair of functions for each way that families spell it.

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

void ReadGlm4Moe(const ConfigFields& fields, ModelConfig* config);
void ReadDeepSeekV2Moe(const ConfigFields& fields, ModelConfig* config);
void ReadDeepSeekV3Moe(const ConfigFields& fields, ModelConfig* config);
void ReadQwen3Moe(const ConfigFields& fields, ModelConfig* config);
void ReadQwen2Moe(const ConfigFields& fields, ModelConfig* config);
void ReadQwen3NextMoe(const ConfigFields& fields, ModelConfig* config);
void ReadQwen35Moe(const ConfigFields& fields, ModelConfig* config);
void ReadMixtralMoe(const ConfigFields& fields, ModelConfig* config);
void ReadOlmoeMoe(const ConfigFields& fields, ModelConfig* config);
void ReadGptOssMoe(const ConfigFields& fields, ModelConfig* config);

nlohmann::json DeepSeekV2MoeToJson(const ModelConfig& config);
nlohmann::json DeepSeekV3MoeToJson(const ModelConfig& config);  // glm4_moe too
nlohmann::json Qwen3MoeToJson(const ModelConfig& config);
nlohmann::json Qwen2MoeToJson(const ModelConfig& config);  // qwen3_next, qwen3_5_moe_text too
nlohmann::json MixtralMoeToJson(const ModelConfig& config);
nlohmann::json OlmoeMoeToJson(const ModelConfig& config);
nlohmann::json GptOssMoeToJson(const ModelConfig& config);

}  // namespace cohort::policy
