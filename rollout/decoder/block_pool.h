#pragma once

// Which blocks of the KV cache are in use, and by how many sequences. Only the accounting: the
// memory belongs to the ModelRunner, which is told what to copy.
//
// Layers that see a window of tokens need the blocks of that window alone. As in vLLM's hybrid KV
// cache (docs/design/hybrid_kv_cache_manager.md) all groups of layers draw from one pool of equal
// blocks, so that no split of the memory has to be guessed; each has a table of its own, and blocks
// that a window has left come back to the pool. The tables of a sequence grow together.

#include <cstdint>
#include <vector>

#include "rollout/decoder/model_runner.h"

namespace cohort::rollout {

// Of one sequence: one for each group of layers, all with as many entries; or empty.
using BlockTables = std::vector<BlockTable>;

// A last block that is only partly filled cannot be shared by two sequences, since both go on
// writing into it. On a fork:
enum class PartlyFilled {
  kCopy,  // the child gets copies, which take a free block for each table
  kMove,  // the child gets the blocks themselves; the parent goes on without them
};

// Single-threaded.
class BlockPool {
 public:
  // `windows` as RunnerShape has them.
  BlockPool(int64_t num_blocks, int64_t block_tokens, std::vector<int64_t> windows = {0});

  int64_t num_blocks() const { return static_cast<int64_t>(references_.size()); }
  int64_t free_blocks() const { return static_cast<int64_t>(free_.size()); }
  int64_t block_tokens() const { return block_tokens_; }
  int64_t num_tables() const { return static_cast<int64_t>(windows_.size()); }
  bool has_windows() const { return has_windows_; }
  int32_t references(int32_t block) const { return references_[static_cast<size_t>(block)]; }

  // Entries of a table over so many tokens.
  int64_t EntriesFor(int64_t tokens) const { return (tokens + block_tokens_ - 1) / block_tokens_; }
  // Tokens that the tables have entries for.
  int64_t Covered(const BlockTables& tables) const;
  // Blocks that the tables take at most, beyond those they hold, until they cover `tokens` tokens
  // that are computed in order, at most `step` at a time.
  int64_t Missing(const BlockTables& tables, int64_t tokens, int64_t step) const;
  // Blocks that a sequence of `tokens` tokens and the prompt that it was forked from hold together,
  // at most, where they are computed with no more room than they need.
  int64_t LeastRoom(int64_t tokens) const;

  // Appends an entry, a free block, to each table; false when there are not enough.
  bool Extend(BlockTables* tables);
  // Gives up the blocks that no row from `position` on sees.
  void DropUnseen(BlockTables* tables, int64_t position);
  // Gives up all of the tables' references and empties them.
  void Release(BlockTables* tables);

  // Tables over the first `tokens` tokens of `parent`: whole blocks are shared, partly filled last
  // ones are copied or moved as `rule` says. A copy is done by the runner, see TakeCopies.
  BlockTables Fork(BlockTables* parent, int64_t tokens, PartlyFilled rule);

  // Copies that were asked for since the last call, in the order in which they must be done.
  std::vector<BlockCopy> TakeCopies();

 private:
  int32_t Take();
  void GiveUp(int32_t block);
  // Blocks that hold the tokens which `rows` consecutive rows see, at most.
  int64_t BlocksSeen(int64_t window, int64_t rows) const;

  int64_t block_tokens_;
  std::vector<int64_t> windows_;
  bool has_windows_;
  std::vector<int32_t> references_;
  std::vector<int32_t> free_;  // taken from the back: the block freed last is the warmest
  std::vector<BlockCopy> copies_;
};

}  // namespace cohort::rollout
