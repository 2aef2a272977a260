#include "policy/byte_level_bpe.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/utf8.h"
#include "policy/byte_symbols.h"
#include "policy/word_cache.h"

namespace cohort::policy {
namespace {

uint32_t NextCacheOwner() {
  static std::atomic<uint32_t> next = 1;
  return next++;
}

}  // namespace

ByteLevelBpe::ByteLevelBpe(TokenizerSpec spec, const std::string& source)
    : spec_(std::move(spec)),
      cache_owner_(NextCacheOwner()),
      merger_(spec_, source),
      pre_tokenizer_(spec_.pre_tokenizer, source),
      added_tokens_(spec_.added_tokens),
      id_of_token_(IndexTokens(spec_.tokens)) {
  bytes_of_id_.resize(spec_.tokens.size());
  const auto bytes_of = [](const std::string& token) {
    return BytesOfSymbols(token).value_or(token);  // text outside the alphabet stands for itself
  };
  for (size_t id = 0; id < spec_.tokens.size(); ++id) {
    if (!spec_.tokens[id].empty()) bytes_of_id_[id] = bytes_of(spec_.tokens[id]);
  }
  for (const AddedToken& token : spec_.added_tokens) {
    if (token.content.empty()) continue;
    const size_t id = static_cast<size_t>(token.id);
    if (id >= bytes_of_id_.size()) bytes_of_id_.resize(id + 1);
    bytes_of_id_[id] = bytes_of(token.content);
    id_of_token_[token.content] = token.id;
  }
  around_ = ParsePostProcessor(spec_.post_processor, source + ": post_processor");
}

ByteLevelBpe::AroundText ByteLevelBpe::ParsePostProcessor(const nlohmann::json& json,
                                                          const std::string& source) const {
  AroundText around;
  if (json.is_null()) return around;
  const std::string type = json.value("type", "");
  if (type == "Sequence") {
    for (const nlohmann::json& part : json.at("processors")) {
      const AroundText inner = ParsePostProcessor(part, source);
      around.before.insert(around.before.begin(), inner.before.begin(), inner.before.end());
      around.after.insert(around.after.end(), inner.after.begin(), inner.after.end());
    }
  } else if (type == "TemplateProcessing") {
    ParseTemplate(json, source, &around);
  } else if (type != "ByteLevel") {  // ByteLevel trims offsets only
    throw Error(ErrorCode::kUsage, source + " of type '" + type + "' is not supported",
                "supported: ByteLevel, TemplateProcessing and Sequence of these");
  }
  return around;
}

void ByteLevelBpe::ParseTemplate(const nlohmann::json& json, const std::string& source,
                                 AroundText* around) const {
  bool after_text = false;
  for (const nlohmann::json& piece : json.at("single")) {
    if (piece.contains("Sequence")) {
      after_text = true;
      continue;
    }
    const std::string name = piece.at("SpecialToken").at("id").get<std::string>();
    for (const nlohmann::json& id : json.at("special_tokens").at(name).at("ids")) {
      const int64_t value = id.get<int64_t>();
      if (value < 0 || value >= vocab_size()) {
        throw Error(ErrorCode::kUsage, source + ": token '" + name + "' has id " +
                                           std::to_string(value) + ", which no token has");
      }
      (after_text ? around->after : around->before).push_back(static_cast<int32_t>(value));
    }
  }
}

void ByteLevelBpe::EncodeWord(std::string_view word, std::vector<int32_t>* ids) const {
  WordCache& cache = WordCache::OfThisThread();
  if (cache.Get(cache_owner_, word, ids)) return;
  const size_t first = ids->size();
  merger_.Encode(word, ids);
  cache.Put(cache_owner_, word, std::span<const int32_t>(*ids).subspan(first));
}

// Bytes that are not UTF-8 make words of their own, so that any bytes have ids.
void ByteLevelBpe::EncodeOrdinary(std::string_view text, std::vector<int32_t>* ids) const {
  while (!text.empty()) {
    const size_t valid = base::ValidUtf8Prefix(text);
    if (valid > 0) {
      std::deque<std::string> storage;
      for (const std::string_view word : pre_tokenizer_.Split(text.substr(0, valid), &storage)) {
        EncodeWord(word, ids);
      }
      text.remove_prefix(valid);
    }
    size_t invalid = 0;
    while (invalid < text.size() &&
           base::DecodeUtf8(text, invalid).value == base::kInvalidCodePoint)
      ++invalid;
    if (invalid > 0) EncodeWord(text.substr(0, invalid), ids);
    text.remove_prefix(invalid);
  }
}

std::vector<int32_t> ByteLevelBpe::Encode(std::string_view text, bool add_bos) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 8);
  if (add_bos) ids = around_.before;
  for (const AddedTokens::Section& section : added_tokens_.Split(text)) {
    if (section.id.has_value()) {
      ids.push_back(*section.id);
    } else {
      EncodeOrdinary(section.text, &ids);
    }
  }
  if (add_bos) ids.insert(ids.end(), around_.after.begin(), around_.after.end());
  return ids;
}

std::string ByteLevelBpe::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size() || !bytes_of_id_[id].has_value()) {
      throw Error(ErrorCode::kUsage, "token id " + std::to_string(id) +
                                         " is not in the vocabulary of " +
                                         std::to_string(vocab_size()) + " tokens");
    }
    if (skip_special) {
      const AddedToken* added = added_tokens_.Find(id);
      if (added != nullptr && added->special) continue;
    }
    text += *bytes_of_id_[id];
  }
  return text;
}

std::optional<int32_t> ByteLevelBpe::TokenId(std::string_view token) const {
  const auto found = id_of_token_.find(std::string(token));
  if (found == id_of_token_.end()) return std::nullopt;
  return found->second;
}

std::shared_ptr<const Tokenizer> MakeTokenizer(TokenizerSpec spec, const std::string& source) {
  try {
    return std::make_shared<ByteLevelBpe>(std::move(spec), source);
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::kUsage, source + ": " + error.what());
  }
}

}  // namespace cohort::policy
