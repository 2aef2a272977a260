#pragma once

#include "policy/model.h"

namespace cohort::policy {

// A folder with config.json, safetensors weights, tokenizer.json and, where the model has them,
// tokenizer_config.json and chat_template.jinja. Errors name file and field.
Model ReadHuggingFaceFolder(const std::filesystem::path& folder, at::ScalarType dtype,
                            bool with_weights, MtpLayers mtp);

// See SaveModel in policy/model.h.
void WriteHuggingFaceFolder(const Model& model, const std::filesystem::path& folder,
                            at::ScalarType dtype, int64_t max_shard_bytes);

}  // namespace cohort::policy
