#pragma once

#include "policy/config/config.h"
#include "policy/gguf/file.h"

namespace cohort::policy {

// The shape of the model in a GGUF file, of llama.cpp's architectures llama (Mixtral too), qwen2,
// qwen3, qwen3moe and deepseek2. kUsage naming what is damaged or not supported.
ModelConfig GgufConfig(const GgufFile& file);

}  // namespace cohort::policy
