#include "policy/gguf_model.h"

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
  model.tokenizer = MakeTokenizer(std::move(spec), file.source());
  if (file.Has("tokenizer.chat_template")) {
    try {
      model.chat_template = std::make_shared<ChatTemplate>(file.String("tokenizer.chat_template"));
    } catch (const Error& error) {
      throw Error(error.code(), file.source() + ": " + error.what(), error.hint());
    }
  }
  return model;
}

}  // namespace cohort::policy
