#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "policy/chat/chat_template.h"
#include "policy/tokenizer/tokenizer.h"

namespace cohort::policy {

// Tokenizer, chat templates and end tokens of a Hugging Face folder, read as transformers'
// AutoTokenizer reads it.
struct HuggingFaceTexts {
  // A folder without tokenizer.json gets one that refuses to be used, with a hint.
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;  // the default one; null: none
  std::map<std::string, std::shared_ptr<const ChatTemplate>> named_templates;  // the others
  nlohmann::json chat_variables;  // bos_token, eos_token and so on: texts
};

// tokenizer.json, tokenizer_config.json (added_tokens_decoder, special tokens, chat_template),
// special_tokens_map.json, chat_template.jinja, additional_chat_templates/*.jinja. A template that
// cannot be parsed is refused where it is used. Errors name file and field.
HuggingFaceTexts ReadHuggingFaceTexts(const std::filesystem::path& folder);

// The same tokenizer, refusing texts with a token whose id is not below `vocab_size`: a model has
// no row for it. Tokens that no text has do no harm.
std::shared_ptr<const Tokenizer> BoundedBy(int64_t vocab_size,
                                           std::shared_ptr<const Tokenizer> tokenizer,
                                           const std::string& source);

}  // namespace cohort::policy
