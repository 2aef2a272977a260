#pragma once

// The paged KV cache: blocks of kernels::kBlockTokens tokens over all layers, with reference
// counts. A block that several sequences share is never written; its writer copies it first.

#include <cstdint>
#include <vector>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/huge_buffer.h"

namespace cohort::rollout {

using BlockTable = std::vector<int32_t>;

inline int64_t BlocksFor(int64_t tokens) {
  return (tokens + kernels::kBlockTokens - 1) / kernels::kBlockTokens;
}

// Single-threaded, except that different slots may be written through Block() in parallel.
class KvCache {
 public:
  // As many blocks as fit in `bytes`, but not more than `useful_blocks`. Memory is taken as blocks
  // are first written. kUsage when not even one block fits, kEnvironment when the address space is
  // refused.
  KvCache(const kernels::KvLayout& layout, int64_t num_layers, int64_t bytes,
          int64_t useful_blocks);

  int32_t Allocate();  // a block with one reference; -1 when all are in use
  void Retain(int32_t block);
  void Release(int32_t block);
  void ReleaseAll(BlockTable& table);  // and empties it
  int32_t CopyOf(int32_t block);       // Allocate() with the same contents; -1 when none is free

  int64_t num_blocks() const { return static_cast<int64_t>(references_.size()); }
  int64_t free_blocks() const { return static_cast<int64_t>(free_.size()); }
  int32_t references(int32_t block) const { return references_[static_cast<size_t>(block)]; }

  const kernels::KvLayout& layout() const { return layout_; }
  int64_t block_stride() const { return stride_; }  // floats
  float* Block(int64_t layer, int32_t block) {
    return buffer_.floats() + block * stride_ + layer * layout_.block_floats();
  }

 private:
  kernels::KvLayout layout_;
  int64_t stride_;
  kernels::HugeBuffer buffer_;
  std::vector<int32_t> references_;
  std::vector<int32_t> free_;  // taken from the back: the block freed last is the warmest
};

}  // namespace cohort::rollout
