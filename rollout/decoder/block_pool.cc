#include "rollout/decoder/block_pool.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace cohort::rollout {

namespace {

int64_t Held(const BlockTable& table) {
  return std::ssize(table) - std::count(table.begin(), table.end(), kNoBlock);
}

}  // namespace

BlockPool::BlockPool(int64_t num_blocks, int64_t block_tokens, std::vector<int64_t> windows)
    : block_tokens_(block_tokens),
      windows_(std::move(windows)),
      has_windows_(std::any_of(windows_.begin(), windows_.end(),
                               [](int64_t window) { return window != 0; })) {
  COHORT_CHECK(num_blocks >= 1 && block_tokens >= 1, "a pool has a block, and a block a token");
  COHORT_CHECK(!windows_.empty(), "a sequence has a block table");
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

void BlockPool::GiveUp(int32_t block) {
  COHORT_CHECK(references(block) > 0, "releasing a free KV block");
  if (--references_[static_cast<size_t>(block)] == 0) free_.push_back(block);
}

int64_t BlockPool::Covered(const BlockTables& tables) const {
  return tables.empty() ? 0 : std::ssize(tables.front()) * block_tokens_;
}

int64_t BlockPool::BlocksSeen(int64_t window, int64_t rows) const {
  // window + rows - 1 tokens, the first of them anywhere in its block.
  return EntriesFor(window + rows - 2) + 1;
}

int64_t BlockPool::Missing(const BlockTables& tables, int64_t tokens, int64_t step) const {
  const int64_t entries = std::max<int64_t>(0, EntriesFor(tokens) - EntriesFor(Covered(tables)));
  int64_t missing = 0;
  for (size_t group = 0; group < windows_.size(); ++group) {
    if (windows_[group] == 0) {
      missing += entries;
      continue;
    }
    const int64_t held = tables.empty() ? 0 : Held(tables[group]);
    missing += std::clamp<int64_t>(BlocksSeen(windows_[group], step) - held, 0, entries);
  }
  return missing;
}

int64_t BlockPool::LeastRoom(int64_t tokens) const {
  int64_t blocks = 0;
  for (const int64_t window : windows_) {
    // One more: the parent may keep the partly filled end of the prompt beside the child's copy.
    const int64_t all = EntriesFor(tokens) + 1;
    blocks += window == 0 ? all : std::min(all, 2 * BlocksSeen(window, 1));
  }
  return blocks;
}

bool BlockPool::Extend(BlockTables* tables) {
  if (free_blocks() < num_tables()) return false;
  tables->resize(windows_.size());
  for (BlockTable& table : *tables) table.push_back(Take());
  return true;
}

void BlockPool::DropUnseen(BlockTables* tables, int64_t position) {
  for (size_t group = 0; group < tables->size(); ++group) {
    if (windows_[group] == 0) continue;
    BlockTable& table = (*tables)[group];
    const int64_t first_seen = std::max<int64_t>(0, position + 1 - windows_[group]) / block_tokens_;
    int64_t entry = std::min(first_seen, std::ssize(table));
    while (--entry >= 0 && table[static_cast<size_t>(entry)] != kNoBlock) {
      GiveUp(std::exchange(table[static_cast<size_t>(entry)], kNoBlock));
    }
  }
}

void BlockPool::Release(BlockTables* tables) {
  for (const BlockTable& table : *tables) {
    for (const int32_t block : table) {
      if (block != kNoBlock) GiveUp(block);
    }
  }
  tables->clear();
}

BlockTables BlockPool::Fork(BlockTables* parent, int64_t tokens, PartlyFilled rule) {
  COHORT_CHECK(tokens <= Covered(*parent), "a fork covers tokens of its parent");
  const int64_t whole = tokens / block_tokens_;
  const bool has_part = tokens % block_tokens_ != 0;
  COHORT_CHECK(!has_part || rule == PartlyFilled::kMove || free_blocks() >= num_tables(),
               "a fork that copies blocks finds free ones");
  BlockTables children;
  for (BlockTable& table : *parent) {
    BlockTable& child = children.emplace_back(table.begin(), table.begin() + whole);
    for (const int32_t block : child) {
      if (block == kNoBlock) continue;
      COHORT_CHECK(references(block) > 0, "sharing a free KV block");
      ++references_[static_cast<size_t>(block)];
    }
    if (!has_part) continue;
    const int32_t last = table[static_cast<size_t>(whole)];
    if (rule == PartlyFilled::kMove) {
      child.push_back(last);
      table.erase(table.begin() + whole);
    } else {
      child.push_back(Take());
      copies_.push_back({last, child.back()});
    }
  }
  return children;
}

std::vector<BlockCopy> BlockPool::TakeCopies() { return std::exchange(copies_, {}); }

}  // namespace cohort::rollout
