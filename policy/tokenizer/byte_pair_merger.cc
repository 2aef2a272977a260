#include "policy/tokenizer/byte_pair_merger.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <limits>
#include <queue>

#include "base/error.h"
#include "base/utf8.h"
#include "policy/tokenizer/byte_symbols.h"

namespace cohort::policy {
namespace {

constexpr size_t kLongWord = 48;  // symbols; above it the heap beats the scan

uint64_t PairKey(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

size_t HashPair(uint64_t pair) { return (pair * 0x9E3779B97F4A7C15ull) >> 29; }

}  // namespace

BytePairMerger::BytePairMerger(const TokenizerSpec& spec, const std::string& source)
    : by_characters_(spec.alphabet == TokenizerSpec::Alphabet::kCharacters),
      has_merges_(!spec.merges.empty()),
      fuse_unk_(spec.fuse_unk) {
  const TokenIndex index = IndexTokens(spec.tokens);
  AddSymbols(spec, index);
  if (spec.unk_token.has_value()) {
    const auto found = index.find(*spec.unk_token);
    if (found == index.end()) {
      throw Error(ErrorCode::kUsage, source + ": model.unk_token is '" + *spec.unk_token +
                                         "', which is not in model.vocab");
    }
    unk_id_ = found->second;
  }
  if (spec.ignore_merges) {
    for (const auto& [token, id] : index) {
      std::optional<std::string> word = by_characters_ ? token : BytesOfSymbols(token);
      if (word.has_value()) words_.emplace(*std::move(word), id);
    }
  }
  merges_.assign(std::bit_ceil(spec.merges.size() * 2 + 2), Merge{kEmpty, 0, 0});
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto [left, right] = spec.merges[rank];
    const auto merged = index.find(spec.tokens.at(left) + spec.tokens.at(right));
    COHORT_CHECK(merged != index.end(), "ReadMerge lets only merges into known tokens through");
    InsertMerge(left, right, static_cast<int32_t>(rank), merged->second);
  }
}

void BytePairMerger::AddSymbols(const TokenizerSpec& spec, const TokenIndex& index) {
  id_of_byte_.fill(-1);
  for (int byte = 0; byte < 256; ++byte) {
    char fallback[8];
    std::snprintf(fallback, sizeof(fallback), "<0x%02X>", byte);
    if (by_characters_ && !spec.byte_fallback) break;
    const auto found = index.find(
        by_characters_ ? fallback : SymbolsOfBytes(std::string(1, static_cast<char>(byte))));
    if (found != index.end()) id_of_byte_[byte] = found->second;
  }
  if (!by_characters_) return;
  for (const auto& [token, id] : index) {
    const base::CodePoint point = base::DecodeUtf8(token, 0);
    if (point.length == token.size()) id_of_character_.emplace(point.value, id);
  }
}

void BytePairMerger::InsertMerge(int32_t left, int32_t right, int32_t rank, int32_t merged) {
  const uint64_t pair = PairKey(left, right);
  const size_t mask = merges_.size() - 1;
  size_t slot = HashPair(pair) & mask;
  while (merges_[slot].pair != kEmpty && merges_[slot].pair != pair) slot = (slot + 1) & mask;
  merges_[slot] = {pair, rank, merged};
}

const BytePairMerger::Merge* BytePairMerger::FindMerge(int32_t left, int32_t right) const {
  const uint64_t pair = PairKey(left, right);
  const size_t mask = merges_.size() - 1;
  size_t slot = HashPair(pair) & mask;
  while (merges_[slot].pair != kEmpty) {
    if (merges_[slot].pair == pair) return &merges_[slot];
    slot = (slot + 1) & mask;
  }
  return nullptr;
}

void BytePairMerger::AppendBytes(std::string_view word, std::vector<int32_t>* ids) const {
  bool after_unk = false;
  for (const char byte : word) {
    const int32_t id = id_of_byte_[static_cast<uint8_t>(byte)];
    if (id >= 0) {
      ids->push_back(id);
    } else if (unk_id_ >= 0 && !(fuse_unk_ && after_unk)) {
      ids->push_back(unk_id_);
    }
    after_unk = id < 0;
  }
}

void BytePairMerger::AppendCharacters(std::string_view word, std::vector<int32_t>* ids) const {
  bool pending_unk = false;  // tokenizers writes it late, after bytes that follow it
  for (size_t position = 0; position < word.size();) {
    const base::CodePoint point = base::DecodeUtf8(word, position);
    const std::string_view bytes = word.substr(position, point.length);
    position += point.length;
    const auto known = id_of_character_.find(point.value);
    if (known != id_of_character_.end()) {
      if (pending_unk) ids->push_back(unk_id_);
      pending_unk = false;
      ids->push_back(known->second);
      continue;
    }
    const auto id_of = [&](char byte) { return id_of_byte_[static_cast<uint8_t>(byte)]; };
    if (std::all_of(bytes.begin(), bytes.end(), [&](char byte) { return id_of(byte) >= 0; })) {
      for (const char byte : bytes) ids->push_back(id_of(byte));
    } else if (unk_id_ >= 0) {
      if (pending_unk && !fuse_unk_) ids->push_back(unk_id_);
      pending_unk = true;
    }
  }
  if (pending_unk) ids->push_back(unk_id_);
}

void BytePairMerger::Encode(std::string_view word, std::vector<int32_t>* ids) const {
  if (!words_.empty()) {
    const auto whole = words_.find(std::string(word));
    if (whole != words_.end()) {
      ids->push_back(whole->second);
      return;
    }
  }
  const size_t first = ids->size();
  if (by_characters_) {
    AppendCharacters(word, ids);
  } else {
    AppendBytes(word, ids);
  }
  if (!has_merges_) return;
  if (ids->size() - first > kLongWord) {
    MergeLong(ids, first);
  } else {
    MergeShort(ids, first);
  }
}

void BytePairMerger::MergeShort(std::vector<int32_t>* ids, size_t first) const {
  int32_t* symbols = ids->data() + first;
  size_t count = ids->size() - first;
  if (count < 2) return;
  const Merge* pairs[kLongWord];  // pairs[i]: the merge of symbols i and i+1, or null
  for (size_t i = 0; i + 1 < count; ++i) pairs[i] = FindMerge(symbols[i], symbols[i + 1]);
  while (count > 1) {
    size_t best = count;
    int32_t best_rank = std::numeric_limits<int32_t>::max();
    for (size_t i = 0; i + 1 < count; ++i) {
      if (pairs[i] != nullptr && pairs[i]->rank < best_rank) {
        best_rank = pairs[i]->rank;
        best = i;
      }
    }
    if (best == count) break;
    symbols[best] = pairs[best]->merged;
    std::copy(symbols + best + 2, symbols + count, symbols + best + 1);
    --count;
    if (best + 1 < count) std::copy(pairs + best + 2, pairs + count, pairs + best + 1);
    if (best + 1 < count) pairs[best] = FindMerge(symbols[best], symbols[best + 1]);
    if (best > 0) pairs[best - 1] = FindMerge(symbols[best - 1], symbols[best]);
  }
  ids->resize(first + count);
}

void BytePairMerger::MergeLong(std::vector<int32_t>* ids, size_t first) const {
  constexpr int32_t kNone = -1;
  struct Symbol {
    int32_t id;  // kNone once merged away
    int32_t previous;
    int32_t next;
  };
  struct Candidate {
    int32_t rank;
    int32_t position;
    int32_t left, right, merged;
    bool operator<(const Candidate& other) const {  // priority_queue pops the largest
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  const int32_t count = static_cast<int32_t>(ids->size() - first);
  std::vector<Symbol> symbols(count);
  for (int32_t i = 0; i < count; ++i) {
    symbols[i] = {(*ids)[first + i], i - 1, i + 1 < count ? i + 1 : kNone};
  }
  std::priority_queue<Candidate> queue;
  const auto offer = [&](int32_t position) {
    if (position == kNone || symbols[position].next == kNone) return;
    const int32_t left = symbols[position].id, right = symbols[symbols[position].next].id;
    if (const Merge* merge = FindMerge(left, right)) {
      queue.push({merge->rank, position, left, right, merge->merged});
    }
  };
  for (int32_t i = 0; i < count; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbols[top.position];
    // A merge nearby may have changed either side since the pair was offered.
    if (left.id != top.left || left.next == kNone || symbols[left.next].id != top.right) continue;
    Symbol& right = symbols[left.next];
    left.id = top.merged;
    left.next = right.next;
    right.id = kNone;
    if (left.next != kNone) symbols[left.next].previous = top.position;
    offer(left.previous);
    offer(top.position);
  }
  ids->resize(first);
  for (int32_t i = 0; i != kNone; i = symbols[i].next) ids->push_back(symbols[i].id);
}

}  // namespace cohort::policy
