#include "policy/tokenizer/bpe_tokenizer.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/utf8.h"
#include "policy/tokenizer/word_cache.h"

namespace cohort::policy {
namespace {

uint32_t NextCacheOwner() {
  static std::atomic<uint32_t> next = 1;
  return next++;
}

// Tokens that are looked for in normalized text are normalized themselves.
std::vector<AddedToken> Normalized(std::vector<AddedToken> tokens, const Normalizer& normalizer) {
  for (AddedToken& token : tokens) {
    std::string storage;
    if (token.normalized)
      token.content = std::string(normalizer.Normalize(token.content, &storage));
  }
  return tokens;
}

constexpr std::string_view kSpaceMark = "\u2581";  // what SentencePiece writes for a space

// The places in `text` where a run of space marks follows something else, one after the other.
size_t NextMarkedWord(std::string_view text, size_t from) {
  for (size_t at = text.find(kSpaceMark, from); at != std::string_view::npos;
       at = text.find(kSpaceMark, at + kSpaceMark.size())) {
    if (at > 0 && !text.substr(0, at).ends_with(kSpaceMark)) return at;
  }
  return std::string_view::npos;
}

// True when a text may be cut before each run of space marks and merged piece by piece.
bool MarkBeginsWords(const TokenizerSpec& spec) {
  if (spec.alphabet != TokenizerSpec::Alphabet::kCharacters || !spec.pre_tokenizer.is_null() ||
      spec.ignore_merges ||
      std::find(spec.tokens.begin(), spec.tokens.end(), kSpaceMark) == spec.tokens.end()) {
    return false;
  }
  return std::all_of(spec.merges.begin(), spec.merges.end(), [&](const auto& merge) {
    return NextMarkedWord(spec.tokens[merge.first] + spec.tokens[merge.second], 0) ==
           std::string_view::npos;
  });
}

}  // namespace

BpeTokenizer::BpeTokenizer(TokenizerSpec spec, const std::string& source)
    : spec_(std::move(spec)),
      cache_owner_(NextCacheOwner()),
      merger_(spec_, source),
      normalizer_(base::JsonPlace(spec_.normalizer, source, "normalizer")),
      pre_tokenizer_(base::JsonPlace(spec_.pre_tokenizer, source, "pre_tokenizer")),
      decoder_(base::JsonPlace(spec_.decoder, source, "decoder"), spec_.alphabet),
      added_tokens_(Normalized(spec_.added_tokens, normalizer_)),
      id_of_token_(IndexTokens(spec_.tokens)),
      words_begin_with_mark_(MarkBeginsWords(spec_)) {
  bytes_of_id_.resize(spec_.tokens.size());
  for (size_t id = 0; id < spec_.tokens.size(); ++id) {
    if (!spec_.tokens[id].empty()) bytes_of_id_[id] = decoder_.BytesOf(spec_.tokens[id]);
  }
  for (const AddedToken& token : spec_.added_tokens) {
    if (token.content.empty()) continue;
    const size_t id = static_cast<size_t>(token.id);
    if (id >= bytes_of_id_.size()) bytes_of_id_.resize(id + 1);
    const std::string& found = added_tokens_.Find(token.id)->content;
    const bool as_bytes = spec_.alphabet == TokenizerSpec::Alphabet::kBytes;
    bytes_of_id_[id] = as_bytes ? found : decoder_.BytesOf(found);
    id_of_token_[token.content] = token.id;
  }
  around_ = ParsePostProcessor(base::JsonPlace(spec_.post_processor, source, "post_processor"),
                               vocab_size());
}

void BpeTokenizer::EncodeWord(std::string_view word, std::vector<int32_t>* ids) const {
  WordCache& cache = WordCache::OfThisThread();
  if (cache.Get(cache_owner_, word, ids)) return;
  const size_t first = ids->size();
  merger_.Encode(word, ids);
  cache.Put(cache_owner_, word, std::span<const int32_t>(*ids).subspan(first));
}

void BpeTokenizer::EncodeValid(std::string_view text, bool begins_text,
                               std::vector<int32_t>* ids) const {
  if (words_begin_with_mark_) {
    size_t done = 0;
    while (done < text.size()) {
      const size_t next = std::min(NextMarkedWord(text, done + 1), text.size());
      EncodeWord(text.substr(done, next - done), ids);
      done = next;
    }
    return;
  }
  std::deque<std::string> storage;
  for (const std::string_view word : pre_tokenizer_.Split(text, begins_text, &storage)) {
    EncodeWord(word, ids);
  }
}

// Bytes that are not UTF-8 make words of their own, so that any bytes have ids.
void BpeTokenizer::EncodeOrdinary(std::string_view text, bool begins_text,
                                  std::vector<int32_t>* ids) const {
  while (!text.empty()) {
    const size_t valid = base::ValidUtf8Prefix(text);
    if (valid > 0) EncodeValid(text.substr(0, valid), std::exchange(begins_text, false), ids);
    text.remove_prefix(valid);
    size_t invalid = 0;
    while (invalid < text.size() &&
           base::DecodeUtf8(text, invalid).value == base::kInvalidCodePoint)
      ++invalid;
    if (invalid > 0) EncodeWord(text.substr(0, invalid), ids);
    text.remove_prefix(invalid);
  }
}

std::vector<int32_t> BpeTokenizer::Encode(std::string_view text, bool add_bos) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 8);
  if (add_bos) ids = around_.before;
  std::string storage;
  for (const AddedTokens::Section& section : added_tokens_.Split(text)) {
    if (section.id.has_value()) {
      ids.push_back(*section.id);
      continue;
    }
    const bool begins_text = section.text.data() == text.data();
    const std::string_view normalized = normalizer_.Normalize(section.text, &storage);
    for (const AddedTokens::Section& part : added_tokens_.SplitNormalized(normalized)) {
      if (part.id.has_value()) {
        ids.push_back(*part.id);
      } else {
        EncodeOrdinary(part.text, begins_text && part.text.data() == normalized.data(), &ids);
      }
    }
  }
  if (add_bos) ids.insert(ids.end(), around_.after.begin(), around_.after.end());
  return ids;
}

std::string BpeTokenizer::Decode(std::span<const int32_t> ids, bool skip_special,
                                 bool continues) const {
  std::string text;
  for (const int32_t id : ids) {
    if (id < 0) throw Error(ErrorCode::kUsage, "token id " + std::to_string(id) + " is negative");
    if (id >= vocab_size() || !bytes_of_id_[id].has_value()) continue;
    if (skip_special) {
      const AddedToken* added = added_tokens_.Find(id);
      if (added != nullptr && added->special) continue;
    }
    text += *bytes_of_id_[id];
  }
  if (!continues) decoder_.StripBeginning(&text);
  return text;
}

std::optional<int32_t> BpeTokenizer::TokenId(std::string_view token) const {
  const auto found = id_of_token_.find(std::string(token));
  if (found == id_of_token_.end()) return std::nullopt;
  return found->second;
}

std::shared_ptr<const Tokenizer> MakeTokenizer(TokenizerSpec spec, const std::string& source) {
  return std::make_shared<BpeTokenizer>(std::move(spec), source);
}

}  // namespace cohort::policy
