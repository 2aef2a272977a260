#pragma once

// The contents of a tokenizer, from whatever file (tokenizer.json or a GGUF's metadata).

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "policy/tokenizer/tokenizer.h"

namespace cohort::policy {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  // only between characters that are no word characters
  bool lstrip = false;       // swallows the whitespace before it
  bool rstrip = false;
  bool normalized = false;  // looked for after the others
  bool special = false;
};

struct TokenizerSpec {
  // The units that merging starts from: bytes, written as the symbols of byte_symbols.h, or
  // characters (SentencePiece's way).
  enum class Alphabet { kBytes, kCharacters };
  Alphabet alphabet = Alphabet::kBytes;
  std::vector<std::string> tokens;                  // by id; "" for an unused id
  std::vector<std::pair<int32_t, int32_t>> merges;  // left id, right id; best first
  std::vector<AddedToken> added_tokens;
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
  std::optional<std::string> unk_token;
  bool fuse_unk = false;
  bool byte_fallback = false;  // a character that is no token becomes its bytes, <0xE4> and so on
  // As tokenizer.json writes them; null: does nothing.
  nlohmann::json normalizer;
  nlohmann::json pre_tokenizer;
  nlohmann::json post_processor;
  nlohmann::json decoder;  // null: ByteLevel's
};

// Largest id that is believed; a file cannot make us allocate more than this many entries.
inline constexpr int64_t kMaxTokenId = 4'000'000;

// `source` names the file in errors (kUsage), which say the place in it too.
std::shared_ptr<const Tokenizer> MakeTokenizer(TokenizerSpec spec, const std::string& source);

// The text of a tokenizer.json, as ReadTokenizer takes it from a file.
std::shared_ptr<const Tokenizer> ParseTokenizer(const std::string& text, const std::string& source);

TokenizerSpec ParseTokenizerJson(const nlohmann::json& json, const std::string& source);
nlohmann::json TokenizerSpecToJson(const TokenizerSpec& spec);

// Ids by token text, for reading merges.
using TokenIndex = std::unordered_map<std::string, int32_t>;
TokenIndex IndexTokens(const std::vector<std::string>& tokens);

// One merge rule. `number` is its place in the file. kUsage when a side, or both joined, is no
// token.
std::pair<int32_t, int32_t> ReadMerge(const TokenIndex& index, const std::string& left,
                                      const std::string& right, size_t number,
                                      const std::string& source);
// The same from "left right".
std::pair<int32_t, int32_t> ReadMerge(const TokenIndex& index, const std::string& joined,
                                      size_t number, const std::string& source);

}  // namespace cohort::policy
