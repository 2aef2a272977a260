#pragma once

#include "policy/model.h"

namespace cohort::policy {

// A folder with config.json and whatever it says about texts (policy/huggingface_texts.h): the
// model without its weights (policy/weights/huggingface_weights.h). The config announces the
// multi-token-prediction layers that config.json does; its eos_ids are those of config.json, then
// the tokenizer's eos_token, then those of generation_config.json. Errors name file and field.
Model ReadHuggingFaceFolder(const std::filesystem::path& folder);

// See LoadModelTexts in policy/model.h.
Model ReadHuggingFaceFolderTexts(const std::filesystem::path& folder);

// See SaveModel in policy/model.h.
void WriteHuggingFaceFolder(const Model& model, const std::filesystem::path& folder, Dtype dtype,
                            int64_t max_shard_bytes);

}  // namespace cohort::policy
