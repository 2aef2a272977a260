#pragma once

// The `decoder` of tokenizer.json: ByteLevel, or a Sequence of Replace, ByteFallback, Fuse and
// Strip (SentencePiece's way).

#include <string>
#include <utility>
#include <vector>

#include "base/json_place.h"
#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {

// Immutable; safe to share between threads.
class TokenDecoder {
 public:
  // kUsage naming the kind that is not supported with this alphabet.
  TokenDecoder(const base::JsonPlace& json, TokenizerSpec::Alphabet alphabet);

  // The bytes that a token stands for.
  std::string BytesOf(const std::string& token) const;
  // Takes off what a text of these tokens does not begin with.
  void StripBeginning(std::string* text) const;

 private:
  void AddPart(const base::JsonPlace& json);

  bool byte_symbols_ = false;
  bool byte_fallback_ = false;
  bool fused_ = false;
  std::vector<std::pair<std::string, std::string>> replacements_;
  std::string stripped_;  // taken off once
};

}  // namespace cohort::policy
