#include "policy/gguf_model.h"

#include <utility>

#include "base/error.h"
#include "policy/gguf/config.h"
#include "policy/gguf/tokenizer.h"

namespace cohort::policy {
namespace {

// The text of a special token, "" when the file names none.
std::string TokenText(const GgufFile& file, const TokenizerSpec& spec, const std::string& key) {
  const int64_t id = file.Integer(key, -1);
  if (id < 0) return "";
  if (id >= static_cast<int64_t>(spec.tokens.size())) {
    file.Refuse(key + " is " + std::to_string(id) + ", but the vocabulary has " +
                std::to_string(spec.tokens.size()) + " tokens");
  }
  return spec.tokens[static_cast<size_t>(id)];
}

}  // namespace

Model ReadGguf(const GgufFile& file) {
  Model model;
  model.config = GgufConfig(file);
  TokenizerSpec spec = GgufTokenizer(file);
  if (static_cast<int64_t>(spec.tokens.size()) > model.config.vocab_size) {
    file.Refuse("the tokenizer has " + std::to_string(spec.tokens.size()) +
                " tokens, but token_embd.weight only " + std::to_string(model.config.vocab_size) +
                " rows");
  }
  model.chat_variables = {{"bos_token", TokenText(file, spec, "tokenizer.ggml.bos_token_id")},
                          {"eos_token", TokenText(file, spec, "tokenizer.ggml.eos_token_id")}};
  constexpr std::pair<const char*, const char*> kOthers[] = {
      {"unk_token", "unknown_token_id"},
      {"sep_token", "seperator_token_id"},  // spelled so by GGUF
      {"pad_token", "padding_token_id"},
      {"cls_token", "cls_token_id"},
      {"mask_token", "mask_token_id"}};
  for (const auto& [token, key] : kOthers) {
    const std::string text = TokenText(file, spec, std::string("tokenizer.ggml.") + key);
    if (!text.empty()) model.chat_variables[token] = text;
  }
  model.tokenizer = MakeTokenizer(std::move(spec), file.source());
  const std::string unnamed = "tokenizer.chat_template", named = unnamed + ".";
  if (file.Has(unnamed)) model.chat_template = ChatTemplate::Deferred(file.String(unnamed));
  for (const auto& [key, unused] : file.metadata()) {
    if (!key.starts_with(named)) continue;
    model.named_templates[key.substr(named.size())] = ChatTemplate::Deferred(file.String(key));
  }
  return model;
}

}  // namespace cohort::policy
