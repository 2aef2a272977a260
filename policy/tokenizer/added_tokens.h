#pragma once

// Tokens that are cut out of a text before anything else looks at it, such as <|im_start|>.

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {

// Immutable; safe to share between threads.
class AddedTokens {
 public:
  explicit AddedTokens(std::vector<AddedToken> tokens);

  struct Section {
    std::string_view text;
    std::optional<int32_t> id;  // set for an added token, else ordinary text
  };
  // Leftmost, then longest. Tokens with `normalized` set are looked for only by the second, in what
  // the first has left, normalized.
  std::vector<Section> Split(std::string_view text) const { return SplitBy(plain_, text); }
  std::vector<Section> SplitNormalized(std::string_view text) const {
    return SplitBy(normalized_, text);
  }

  // nullptr when `id` is no added token. Its content is what is looked for: normalized.
  const AddedToken* Find(int32_t id) const;

 private:
  // Trie over bytes; node 0 is the root.
  struct Trie {
    std::unordered_map<uint64_t, uint32_t> children;  // node << 8 | byte
    std::vector<int32_t> token_of_node = {-1};        // index into tokens_
    bool starts[256] = {};                            // bytes that begin a token

    void Add(std::string_view content, int32_t token);
    int32_t LongestAt(std::string_view text, size_t position) const;  // -1: none
  };

  std::vector<Section> SplitBy(const Trie& trie, std::string_view text) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<int32_t, size_t> index_of_id_;
  Trie plain_, normalized_;
};

}  // namespace cohort::policy
