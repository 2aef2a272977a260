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

// Inputs of a chat template besides the messages.
struct TemplateInputs {
  nlohmann::ordered_json tools;  // null: none
  // null, or an object of variables that the template may read, such as enable_thinking
  nlohmann::ordered_json kwargs;
  // "" or the model's template that the user asks for, such as rag; "default" is the unnamed one.
  std::string template_name = "";
};

// Those of a user's line: its `tools`, its `chat_template_kwargs`, and every other field that is
// not part of the line itself (id, messages, prompt, ids, add_generation_prompt).
TemplateInputs ReadTemplateInputs(const nlohmann::ordered_json& line);

// A chat through the model's template, ending where the assistant's turn begins. kUsage when the
// model has no template.
EncodedPrompt EncodeMessages(const Model& model, const nlohmann::ordered_json& messages,
                             const TemplateInputs& inputs = {});

// The template that the inputs name, else the one that transformers takes: "tool_use" for a chat
// with tools where the model has one of that name, else the default one. kUsage when it is not
// there, with the names of those that are.
const ChatTemplate& TemplateFor(const Model& model, const TemplateInputs& inputs);

// The variables that the model's template is rendered with besides the messages: the special
// tokens, then the tools, then kwargs. kUsage for kwargs that are no object.
nlohmann::ordered_json TemplateVariables(const Model& model, const TemplateInputs& inputs);

// The tokens of a demonstration after its prompt: the completion and the model's end-of-turn token.
std::vector<int32_t> EncodeCompletion(const Model& model, const std::string& completion);

// The `ids` of a JSON line. kUsage naming the entry that is no token id below `vocab_size`.
std::vector<int32_t> ReadTokenIds(const nlohmann::json& row, int64_t vocab_size);

std::vector<int32_t> StopIds(const Model& model);

// ids without the stop token at their end.
std::string DecodeCompletion(const Model& model, const std::vector<int32_t>& ids);

}  // namespace cohort::policy
