#include "policy/tokenizer/added_tokens.h"

#include <algorithm>

#include "base/utf8.h"
#include "policy/tokenizer/regex_pattern.h"

namespace cohort::policy {
namespace {

bool IsWordCharacter(std::string_view character) {
  if (base::ValidUtf8Prefix(character) != character.size()) return false;
  // UTS 18's \w, as Rust's regex has it.
  static const RegexPattern word(
      R"([\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}\x{1F130}-\x{1F149})"
      R"(\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}])");
  bool found = false;
  word.ForEachMatch(character, [&](size_t, size_t) { found = true; });
  return found;
}

size_t StartOfCharacterBefore(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) {
    --begin;
  }
  return begin;
}

bool StandsAlone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0) {
    const size_t before = StartOfCharacterBefore(text, begin);
    if (IsWordCharacter(text.substr(before, begin - before))) return false;
  }
  return end == text.size() ||
         !IsWordCharacter(text.substr(end, base::DecodeUtf8(text, end).length));
}

size_t SkipSpacesBack(std::string_view text, size_t end, size_t stop) {
  while (end > stop) {
    const size_t before = StartOfCharacterBefore(text, end);
    if (before < stop || !base::IsUnicodeSpace(base::DecodeUtf8(text, before).value)) break;
    end = before;
  }
  return end;
}

size_t SkipSpaces(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const base::CodePoint point = base::DecodeUtf8(text, begin);
    if (!base::IsUnicodeSpace(point.value)) break;
    begin += point.length;
  }
  return begin;
}

}  // namespace

void AddedTokens::Trie::Add(std::string_view content, int32_t token) {
  uint32_t node = 0;
  starts[static_cast<uint8_t>(content[0])] = true;
  for (const char byte : content) {
    const uint64_t edge = (static_cast<uint64_t>(node) << 8) | static_cast<uint8_t>(byte);
    const auto [child, is_new] =
        children.try_emplace(edge, static_cast<uint32_t>(token_of_node.size()));
    if (is_new) token_of_node.push_back(-1);
    node = child->second;
  }
  token_of_node[node] = token;
}

int32_t AddedTokens::Trie::LongestAt(std::string_view text, size_t position) const {
  uint32_t node = 0;
  int32_t longest = -1;
  for (; position < text.size(); ++position) {
    const uint64_t edge = (static_cast<uint64_t>(node) << 8) | static_cast<uint8_t>(text[position]);
    const auto child = children.find(edge);
    if (child == children.end()) break;
    node = child->second;
    if (token_of_node[node] >= 0) longest = token_of_node[node];
  }
  return longest;
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (tokens_[i].content.empty()) continue;
    index_of_id_[tokens_[i].id] = i;
    (tokens_[i].normalized ? normalized_ : plain_).Add(tokens_[i].content, static_cast<int32_t>(i));
  }
}

const AddedToken* AddedTokens::Find(int32_t id) const {
  const auto found = index_of_id_.find(id);
  return found == index_of_id_.end() ? nullptr : &tokens_[found->second];
}

std::vector<AddedTokens::Section> AddedTokens::SplitBy(const Trie& trie,
                                                       std::string_view text) const {
  std::vector<Section> sections;
  size_t done = 0;
  for (size_t position = 0; position < text.size();) {
    const bool may_start = trie.starts[static_cast<uint8_t>(text[position])];
    const int32_t index = may_start ? trie.LongestAt(text, position) : -1;
    if (index < 0) {
      ++position;
      continue;
    }
    const AddedToken& token = tokens_[index];
    size_t begin = position, end = position + token.content.size();
    position = end;  // a match that does not stand alone is passed over whole
    if (token.single_word && !StandsAlone(text, begin, end)) continue;
    if (token.lstrip) begin = SkipSpacesBack(text, begin, std::min(done, begin));
    if (token.rstrip) end = SkipSpaces(text, end);
    if (begin > done) sections.push_back({text.substr(done, begin - done), std::nullopt});
    sections.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  if (done < text.size()) sections.push_back({text.substr(done), std::nullopt});
  return sections;
}

}  // namespace cohort::policy
