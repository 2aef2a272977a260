#pragma once

#include "policy/config/config.h"
#include "policy/gguf/file.h"

namespace cohort::policy {

// The shape of the model in a GGUF file of one of the architectures of policy/gguf/architecture.h.
// Multi-token-prediction layers are left out. kUsage naming what is damaged or not supported.
ModelConfig GgufConfig(const GgufFile& file);

}  // namespace cohort::policy
