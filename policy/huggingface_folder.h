#pragma once

#include "policy/model.h"

namespace cohort::policy {

// A folder with config.json, tokenizer.json and, where the model has them,
// tokenizer_config.json and chat_template.jinja: the model without its weights
// (policy/weights/huggingface_weights.h). The config announces the multi-token-prediction layers
// that config.json does. Errors name file and field.
Model ReadHuggingFaceFolder(const std::filesystem::path& folder);

// See SaveModel in policy/model.h.
void WriteHuggingFaceFolder(const Model& model, const std::filesystem::path& folder, Dtype dtype,
                            int64_t max_shard_bytes);

}  // namespace cohort::policy
