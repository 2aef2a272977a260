#pragma once

// Remembers the ids of short words: text repeats its words, and a look-up is far cheaper than
// merging.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace cohort::policy {

// Direct-mapped and of fixed size (1 MiB); one per thread, shared by all tokenizers of that thread.
class WordCache {
 public:
  static WordCache& OfThisThread();

  // Appends the ids and returns true when `owner` has put this word before.
  bool Get(uint32_t owner, std::string_view word, std::vector<int32_t>* ids) const;
  void Put(uint32_t owner, std::string_view word, std::span<const int32_t> ids);
  void Clear() { slots_.assign(kSlots, Slot()); }

 private:
  static constexpr size_t kSlots = size_t{1} << 14;
  static constexpr size_t kMaxBytes = 22;
  static constexpr size_t kMaxIds = 8;
  struct alignas(64) Slot {
    uint32_t owner = 0;  // 0: free
    uint8_t num_bytes = 0;
    uint8_t num_ids = 0;
    char bytes[kMaxBytes];
    int32_t ids[kMaxIds];
  };
  static_assert(sizeof(Slot) == 64);  // one cache line

  static size_t SlotOf(uint32_t owner, std::string_view word);

  std::vector<Slot> slots_ = std::vector<Slot>(kSlots);
};

}  // namespace cohort::policy
