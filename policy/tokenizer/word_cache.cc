#include "policy/tokenizer/word_cache.h"

#include <cstring>
#include <functional>

namespace cohort::policy {

WordCache& WordCache::OfThisThread() {
  thread_local WordCache cache;
  return cache;
}

size_t WordCache::SlotOf(uint32_t owner, std::string_view word) {
  return (std::hash<std::string_view>()(word) + owner) % kSlots;
}

bool WordCache::Get(uint32_t owner, std::string_view word, std::vector<int32_t>* ids) const {
  if (word.size() > kMaxBytes) return false;
  const Slot& slot = slots_[SlotOf(owner, word)];
  if (slot.owner != owner || slot.num_bytes != word.size() ||
      std::memcmp(slot.bytes, word.data(), word.size()) != 0) {
    return false;
  }
  ids->insert(ids->end(), slot.ids, slot.ids + slot.num_ids);
  return true;
}

void WordCache::Put(uint32_t owner, std::string_view word, std::span<const int32_t> ids) {
  if (word.size() > kMaxBytes || ids.size() > kMaxIds) return;
  Slot& slot = slots_[SlotOf(owner, word)];
  slot.owner = owner;
  slot.num_bytes = static_cast<uint8_t>(word.size());
  slot.num_ids = static_cast<uint8_t>(ids.size());
  std::memcpy(slot.bytes, word.data(), word.size());
  std::memcpy(slot.ids, ids.data(), ids.size_bytes());
}

}  // namespace cohort::policy
