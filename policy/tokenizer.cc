#include "policy/tokenizer.h"

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_place.h"
#include "policy/byte_symbols.h"
#include "policy/tokenizer_spec.h"

namespace cohort::policy {
namespace {

// What a hostile file could otherwise exhaust memory or the stack with.
void CheckSize(const std::string& text, const std::string& source) {
  constexpr size_t kMaxMiB = 256;
  constexpr int kMaxDepth = 64;
  if (text.size() > kMaxMiB << 20) {
    throw Error(ErrorCode::kUsage, source + ": " + std::to_string(text.size() >> 20) +
                                       " MiB; expected at most " + std::to_string(kMaxMiB));
  }
  if (base::JsonDepth(text) > kMaxDepth) {
    throw Error(ErrorCode::kUsage, source + ": values are nested deeper than " +
                                       std::to_string(kMaxDepth) + " lists and objects");
  }
}

}  // namespace

std::shared_ptr<const Tokenizer> ReadTokenizer(const std::filesystem::path& tokenizer_json) {
  return ParseTokenizer(base::ReadFile(tokenizer_json), tokenizer_json.string());
}

std::shared_ptr<const Tokenizer> ParseTokenizer(const std::string& text,
                                                const std::string& source) {
  CheckSize(text, source);
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw Error(ErrorCode::kUsage,
                source + ": not valid JSON at byte " + std::to_string(error.byte) + " of " +
                    std::to_string(text.size()),
                "the file may be cut short; copy it again");
  } catch (const nlohmann::json::out_of_range&) {
    throw Error(ErrorCode::kUsage, source + ": not valid JSON: it has a number too large to read");
  }
  return MakeTokenizer(ParseTokenizerJson(json, source), source);
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
