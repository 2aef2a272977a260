#pragma once

// llama.cpp's architecture `deepseek2` (DeepSeek V2 and V3): from its metadata to fields of
// config.json.

#include <nlohmann/json.hpp>

#include "policy/gguf/file.h"

namespace cohort::policy {

// "deepseek_v3" where the router scores by the sigmoid, else "deepseek_v2".
std::string GgufDeepSeekFamily(const GgufFile& file);

// Adds the fields of latent attention and of the experts. kUsage for metadata that has no place in
// the family's config.json.
void AddGgufDeepSeek(const GgufFile& file, nlohmann::json* config);

}  // namespace cohort::policy
