#pragma once

#include "policy/gguf/file.h"
#include "policy/model.h"

namespace cohort::policy {

// The model in a GGUF file without its weights (policy/gguf/weights.h): config, tokenizer, chat
// template. kUsage naming what is damaged or not supported.
Model ReadGguf(const GgufFile& file);

}  // namespace cohort::policy
