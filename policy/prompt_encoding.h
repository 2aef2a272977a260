#pragma once

// From what a user writes (text, messages, ids) to the tokens that a model continues.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "policy/model.h"

namespace cohort::policy {

struct EncodedPrompt {
  std::string text;  // as the model reads it, special tokens written out
  std::vector<int32_t> ids;
};

// Plain text, with the beginning-of-text token that the tokenizer's post-processor asks for.
EncodedPrompt EncodeText(const Model& model, const std::string& text);

// A chat through the model's template, ending where the assistant's turn begins. kUsage when the
// model has no template.
EncodedPrompt EncodeMessages(const Model& model, const nlohmann::ordered_json& messages,
                             const nlohmann::ordered_json& tools = nullptr);

// The variables that the model's template is rendered with besides the messages.
nlohmann::ordered_json TemplateVariables(const Model& model, const nlohmann::ordered_json& tools);

// The tokens of a demonstration after its prompt: the completion and the model's end-of-turn token.
std::vector<int32_t> EncodeCompletion(const Model& model, const std::string& completion);

// The `ids` of a JSON line. kUsage naming the entry that is no token id below `vocab_size`.
std::vector<int32_t> ReadTokenIds(const nlohmann::json& row, int64_t vocab_size);

std::vector<int32_t> StopIds(const Model& model);

// ids without the stop token at their end.
std::string DecodeCompletion(const Model& model, const std::vector<int32_t>& ids);

}  // namespace cohort::policy
