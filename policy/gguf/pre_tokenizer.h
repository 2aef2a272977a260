#pragma once

#include <nlohmann/json.hpp>

#include "policy/gguf/file.h"

namespace cohort::policy {

// The pre-tokenizer that tokenizer.ggml.pre names, as tokenizer.json writes it. llama.cpp gives
// each family's a name; Hugging Face writes it out. A file without a name, or with "default", has
// GPT-2's, as transformers reads it. kUsage naming one that is not known.
nlohmann::json GgufPreTokenizer(const GgufFile& file);

}  // namespace cohort::policy
