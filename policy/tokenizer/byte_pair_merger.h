#pragma once

// Byte-pair encoding of one word: bytes or characters become tokens, then the adjacent pair of best
// rank is merged again and again (arXiv 1508.07909, algorithm 1); among equals the leftmost goes
// first.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "policy/tokenizer/tokenizer_spec.h"

namespace cohort::policy {

// Immutable; safe to share between threads.
class BytePairMerger {
 public:
  BytePairMerger(const TokenizerSpec& spec, const std::string& source);

  // Appends the ids of a word. A byte (character) that is no token becomes its bytes' tokens with
  // byte_fallback, else the unknown token, or nothing when there is none (as Hugging Face
  // tokenizers does).
  void Encode(std::string_view word, std::vector<int32_t>* ids) const;

 private:
  struct Merge {
    uint64_t pair;  // left << 32 | right; kEmpty for a free slot
    int32_t rank;
    int32_t merged;
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};

  void InsertMerge(int32_t left, int32_t right, int32_t rank, int32_t merged);
  const Merge* FindMerge(int32_t left, int32_t right) const;
  void AddSymbols(const TokenizerSpec& spec, const TokenIndex& index);
  void AppendBytes(std::string_view word, std::vector<int32_t>* ids) const;
  void AppendCharacters(std::string_view word, std::vector<int32_t>* ids) const;
  void MergeShort(std::vector<int32_t>* ids, size_t first) const;  // quadratic, no allocation
  void MergeLong(std::vector<int32_t>* ids, size_t first) const;   // n log n

  bool by_characters_;
  std::array<int32_t, 256> id_of_byte_;  // -1: none; with characters, what a byte falls back to
  std::unordered_map<uint32_t, int32_t> id_of_character_;
  std::unordered_map<std::string, int32_t> words_;  // only filled for ignore_merges
  std::vector<Merge> merges_;                       // open addressing, size a power of two
  bool has_merges_;
  int32_t unk_id_ = -1;
  bool fuse_unk_ = false;
};

}  // namespace cohort::policy
