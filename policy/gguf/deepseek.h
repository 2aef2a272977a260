#pragma once

// llama.cpp's architecture `deepseek2` (DeepSeek V2 and V3), said as config.json says it.

#include <nlohmann/json.hpp>

#include "policy/gguf/file.h"

namespace cohort::policy {

// "deepseek_v3" where the router scores by the sigmoid, else "deepseek_v2".
std::string GgufDeepSeekFamily(const GgufFile& file);

// Adds the fields of latent attention and of the experts. kUsage for metadata that no config.json
// of the family says.
void AddGgufDeepSeek(const GgufFile& file, nlohmann::json* config);

}  // namespace cohort::policy
