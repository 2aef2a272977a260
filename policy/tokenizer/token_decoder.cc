#include "policy/tokenizer/token_decoder.h"

#include "policy/tokenizer/byte_symbols.h"
#include "policy/tokenizer/normalizer.h"

namespace cohort::policy {
namespace {

// A decoder of byte-level text, alone or as the only part of a Sequence.
bool IsByteLevel(const base::JsonPlace& json) {
  if (json.value().is_null()) return true;
  const std::string type = json.Text("type");
  if (type != "Sequence") return type == "ByteLevel";
  const base::JsonPlace parts = json.Member("decoders", "a list");
  return parts.ListSize() == 1 && parts.Entry(0).Text("type") == "ByteLevel";
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

TokenDecoder::TokenDecoder(const base::JsonPlace& json, TokenizerSpec::Alphabet alphabet) {
  if (alphabet == TokenizerSpec::Alphabet::kBytes) {
    byte_symbols_ = true;
    if (!IsByteLevel(json)) {
      json.Fail("of type '" + json.Text("type") + "' is not supported for byte-level BPE",
                "supported: ByteLevel");
    }
    return;
  }
  if (json.TextOr("type", "") != "Sequence") {
    AddPart(json);
    return;
  }
  const base::JsonPlace parts = json.Member("decoders", "a list");
  for (size_t i = 0; i < parts.ListSize(); ++i) AddPart(parts.Entry(i));
}

void TokenDecoder::AddPart(const base::JsonPlace& json) {
  const std::string type = json.Text("type");
  if (type == "ByteFallback" && !fused_) {
    byte_fallback_ = true;
  } else if (type == "Fuse") {
    fused_ = true;
  } else if (type == "Replace" && !fused_) {
    const std::string from = json.Member("pattern", "an object with String").Text("String");
    if (from.empty()) json.Member("pattern").Member("String").Refuse("a text that is not empty");
    replacements_.emplace_back(from, json.Text("content"));
  } else if (type == "Strip" && fused_ && stripped_.empty() && json.Integer("stop", 0, 0) == 0) {
    if (json.Integer("start", 0, 1) == 1) stripped_ = json.Text("content");
  } else {
    json.Fail("of type '" + type + "' is not supported here",
              "supported: ByteLevel, or Replace, ByteFallback, Fuse, Strip in this order");
  }
}

std::string TokenDecoder::BytesOf(const std::string& token) const {
  if (byte_symbols_) {
    return BytesOfSymbols(token).value_or(token);  // outside the alphabet: stands for itself
  }
  if (byte_fallback_ && token.size() == 6 && token.starts_with("<0x") && token.ends_with('>')) {
    const int high = HexDigit(token[3]), low = HexDigit(token[4]);
    if (high >= 0 && low >= 0) return std::string(1, static_cast<char>(high * 16 + low));
  }
  std::string text = token;
  for (const auto& [from, to] : replacements_) text = ReplaceText(text, from, to);
  return text;
}

void TokenDecoder::StripBeginning(std::string* text) const {
  if (!stripped_.empty() && text->starts_with(stripped_)) text->erase(0, stripped_.size());
}

}  // namespace cohort::policy
