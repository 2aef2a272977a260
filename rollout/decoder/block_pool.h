#pragma once

// Which blocks of the KV cache are in use, and by how many sequences. Only the accounting: the
// memory belongs to the ModelRunner, which is told what to copy.

#include <cstdint>
#include <vector>

#include "rollout/decoder/model_runner.h"

namespace cohort::rollout {

using BlockTable = std::vector<int32_t>;  // of one sequence: block i holds its i-th run of tokens

// A last block that is only partly filled cannot be shared by two sequences, since both go on
// writing into it. On a fork:
enum class PartlyFilled {
  kCopy,  // the child gets a copy, which takes a free block
  kMove,  // the child gets the block itself; the parent goes on without it
};

// Single-threaded.
class BlockPool {
 public:
  BlockPool(int64_t num_blocks, int64_t block_tokens);

  int64_t BlocksFor(int64_t tokens) const { return (tokens + block_tokens_ - 1) / block_tokens_; }
  int64_t num_blocks() const { return static_cast<int64_t>(references_.size()); }
  int64_t free_blocks() const { return static_cast<int64_t>(free_.size()); }
  int64_t block_tokens() const { return block_tokens_; }
  int32_t references(int32_t block) const { return references_[static_cast<size_t>(block)]; }

  // Appends a free block; false when there is none.
  bool Extend(BlockTable* table);
  // Gives up the table's references and empties it.
  void Release(BlockTable* table);

  // A table over the first `tokens` tokens of `parent`: whole blocks are shared, a partly filled
  // last one is copied or moved as `rule` says. A copy is done by the runner, see TakeCopies.
  BlockTable Fork(BlockTable* parent, int64_t tokens, PartlyFilled rule);

  // Copies that were asked for since the last call, in the order in which they must be done.
  std::vector<BlockCopy> TakeCopies();

 private:
  int32_t Take();

  int64_t block_tokens_;
  std::vector<int32_t> references_;
  std::vector<int32_t> free_;  // taken from the back: the block freed last is the warmest
  std::vector<BlockCopy> copies_;
};

}  // namespace cohort::rollout
