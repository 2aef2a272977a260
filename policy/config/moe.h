#pragma once

// config.json <-> MoeConfig, one pair of functions for each way that families spell it.

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

void ReadGlm4Moe(const ConfigFields& fields, ModelConfig& config);
void ReadDeepSeekV2Moe(const ConfigFields& fields, ModelConfig& config);
void ReadDeepSeekV3Moe(const ConfigFields& fields, ModelConfig& config);
void ReadQwen3Moe(const ConfigFields& fields, ModelConfig& config);
void ReadMixtralMoe(const ConfigFields& fields, ModelConfig& config);

void WriteDeepSeekV2Moe(const ModelConfig& config, nlohmann::json& out);
void WriteDeepSeekV3Moe(const ModelConfig& config, nlohmann::json& out);  // glm4_moe too
void WriteQwen3Moe(const ModelConfig& config, nlohmann::json& out);
void WriteMixtralMoe(const ModelConfig& config, nlohmann::json& out);

}  // namespace cohort::policy
