#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cohort::policy {

// Byte-pair encoding of bytes or of characters, equal to Hugging Face `tokenizers` on the
// tokenizer.json it was made from.
// Immutable after construction; safe to share between threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Special tokens that appear in `text` become their ids. `add_bos` asks for what the tokenizer's
  // post-processor adds (nothing for most byte-level models).
  virtual std::vector<int32_t> Encode(std::string_view text, bool add_bos = false) const = 0;
  // Exact bytes of the ids; special tokens are left out when `skip_special`. `continues`: the ids
  // go on from earlier ones, so the space that some decoders take off a text's beginning stays.
  // Ids without a token stand for nothing, as in Hugging Face tokenizers: models have more rows
  // than their tokenizers have tokens, and may draw one. Negative ids: kUsage.
  virtual std::string Decode(std::span<const int32_t> ids, bool skip_special = false,
                             bool continues = false) const = 0;
  virtual int32_t vocab_size() const = 0;  // largest id + 1
  virtual std::optional<int32_t> TokenId(std::string_view token) const = 0;
  // tokenizer.json of this tokenizer, loadable by Hugging Face tokenizers.
  virtual nlohmann::json ToJson() const = 0;
};

// tokenizer.json. Errors: kEnvironment (missing file), kUsage naming the offending part.
std::shared_ptr<const Tokenizer> ReadTokenizer(const std::filesystem::path& tokenizer_json);

// 256 byte tokens (ids 0..255), then `special_tokens`: what a model from scratch speaks.
std::shared_ptr<const Tokenizer> MakeByteTokenizer(const std::vector<std::string>& special_tokens);

}  // namespace cohort::policy
