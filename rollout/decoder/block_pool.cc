#include "rollout/decoder/block_pool.h"

#include <utility>

#include "base/error.h"

namespace cohort::rollout {

BlockPool::BlockPool(int64_t num_blocks, int64_t block_tokens) : block_tokens_(block_tokens) {
  COHORT_CHECK(num_blocks >= 1 && block_tokens >= 1, "a pool has a block, and a block a token");
  references_.assign(static_cast<size_t>(num_blocks), 0);
  for (int64_t block = num_blocks - 1; block >= 0; --block) {
    free_.push_back(static_cast<int32_t>(block));
  }
}

int32_t BlockPool::Take() {
  const int32_t block = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(block)] = 1;
  return block;
}

bool BlockPool::Extend(BlockTable* table) {
  if (free_.empty()) return false;
  table->push_back(Take());
  return true;
}

void BlockPool::Release(BlockTable* table) {
  for (const int32_t block : *table) {
    COHORT_CHECK(references(block) > 0, "releasing a free KV block");
    if (--references_[static_cast<size_t>(block)] == 0) free_.push_back(block);
  }
  table->clear();
}

BlockTable BlockPool::Fork(BlockTable* parent, int64_t tokens, PartlyFilled rule) {
  COHORT_CHECK(BlocksFor(tokens) <= static_cast<int64_t>(parent->size()),
               "a fork covers tokens of its parent");
  const int64_t whole = tokens / block_tokens_;
  BlockTable child(parent->begin(), parent->begin() + whole);
  for (const int32_t block : child) {
    COHORT_CHECK(references(block) > 0, "sharing a free KV block");
    ++references_[static_cast<size_t>(block)];
  }
  if (tokens % block_tokens_ == 0) return child;
  const int32_t last = (*parent)[static_cast<size_t>(whole)];
  if (rule == PartlyFilled::kMove) {
    child.push_back(last);
    parent->erase(parent->begin() + whole);
    return child;
  }
  COHORT_CHECK(!free_.empty(), "a fork that copies a block finds a free one");
  child.push_back(Take());
  copies_.push_back({last, child.back()});
  return child;
}

std::vector<BlockCopy> BlockPool::TakeCopies() { return std::exchange(copies_, {}); }

}  // namespace cohort::rollout
