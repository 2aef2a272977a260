#pragma once

#include "policy/tokenizer/added_tokens.h"
#include "policy/tokenizer/byte_pair_merger.h"
#include "policy/tokenizer/normalizer.h"
#include "policy/tokenizer/post_processor.h"
#include "policy/tokenizer/pre_tokenizer.h"
#include "policy/tokenizer/token_decoder.h"
#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {

// Added tokens are cut out, the rest is normalized and cut into words, each word is merged.
class BpeTokenizer final : public Tokenizer {
 public:
  // kUsage naming `source`.
  BpeTokenizer(TokenizerSpec spec, const std::string& source);

  std::vector<int32_t> Encode(std::string_view text, bool add_bos) const override;
  std::string Decode(std::span<const int32_t> ids, bool skip_special,
                     bool continues) const override;
  int32_t vocab_size() const override { return static_cast<int32_t>(bytes_of_id_.size()); }
  std::optional<int32_t> TokenId(std::string_view token) const override;
  nlohmann::json ToJson() const override { return TokenizerSpecToJson(spec_); }

 private:
  void EncodeOrdinary(std::string_view text, bool begins_text, std::vector<int32_t>* ids) const;
  void EncodeValid(std::string_view text, bool begins_text, std::vector<int32_t>* ids) const;
  void EncodeWord(std::string_view word, std::vector<int32_t>* ids) const;

  TokenizerSpec spec_;
  uint32_t cache_owner_;
  BytePairMerger merger_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  TokenDecoder decoder_;
  AddedTokens added_tokens_;
  std::unordered_map<std::string, int32_t> id_of_token_;  // as people write it: added tokens win
  std::vector<std::optional<std::string>> bytes_of_id_;   // nullopt: no such token
  AroundText around_;
  bool words_begin_with_mark_;  // no merge reaches over the beginning of U+2581's runs
};

}  // namespace cohort::policy
