#pragma once

// The metadata of DeepSeek V2 and V3 (llama.cpp's architectures `deepseek2`, `deepseek32`), of
// whose experts GLM 4.5
// (`glm4moe`) has the fields too: to fields of config.json.

#include <nlohmann/json.hpp>
#include <string>

#include "policy/gguf/file.h"

namespace cohort::policy {

// "deepseek_v3" where the router scores by the sigmoid, else null.
const char* GgufDeepSeekV3OrNone(const GgufFile& file);

// The fields of latent attention, and those of the experts. kUsage for metadata that has no place
// in the family's config.json.
void AddGgufLatentAttention(const GgufFile& file, const std::string& architecture,
                            nlohmann::json* config);
void AddGgufDeepSeekExperts(const GgufFile& file, const std::string& architecture,
                            nlohmann::json* config);

}  // namespace cohort::policy
