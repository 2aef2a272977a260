#include "policy/tokenizer/tokenizer.h"

#include "base/bounded_json.h"
#include "base/durable_file.h"
#include "policy/tokenizer/byte_symbols.h"
#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {

std::shared_ptr<const Tokenizer> ReadTokenizer(const std::filesystem::path& tokenizer_json) {
  return ParseTokenizer(base::ReadFile(tokenizer_json), tokenizer_json.string());
}

std::shared_ptr<const Tokenizer> ParseTokenizer(const std::string& text,
                                                const std::string& source) {
  return MakeTokenizer(ParseTokenizerJson(base::ParseBoundedJson(text, source), source), source);
}

std::shared_ptr<const Tokenizer> MakeByteTokenizer(const std::vector<std::string>& special_tokens) {
  TokenizerSpec spec;
  for (int byte = 0; byte < 256; ++byte) {
    spec.tokens.push_back(SymbolsOfBytes(std::string(1, static_cast<char>(byte))));
  }
  for (const std::string& content : special_tokens) {
    AddedToken token;
    token.id = static_cast<int32_t>(256 + spec.added_tokens.size());
    token.content = content;
    token.special = true;
    spec.added_tokens.push_back(std::move(token));
  }
  spec.pre_tokenizer = {{"type", "ByteLevel"},
                        {"add_prefix_space", false},
                        {"trim_offsets", true},
                        {"use_regex", false}};
  return MakeTokenizer(std::move(spec), "byte tokenizer");
}

}  // namespace cohort::policy
