#pragma once

// The memory of the paged KV cache: blocks of kernels::kBlockTokens tokens over the layers of a
// group. Who uses which block is the business of the decoder's BlockPool.

#include <cstdint>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/huge_buffer.h"
#include "rollout/cpu/layer_groups.h"

namespace cohort::rollout {

inline int64_t KvBlocksFor(int64_t tokens) {
  return (tokens + kernels::kBlockTokens - 1) / kernels::kBlockTokens;
}

// Different blocks, and different slots of a block, may be written in parallel.
class KvCache {
 public:
  // As many blocks as fit in `bytes`, but not more than `useful_blocks`. Memory is taken as blocks
  // are first written. kUsage when not even one block fits, kEnvironment when the address space is
  // refused.
  KvCache(const kernels::KvLayout& layout, LayerGroups groups, int64_t bytes,
          int64_t useful_blocks);

  void Copy(int32_t from, int32_t to);  // a whole block, all layers of its group

  int64_t num_blocks() const { return num_blocks_; }
  const kernels::KvLayout& layout() const { return layout_; }
  const LayerGroups& groups() const { return groups_; }
  int64_t block_stride() const { return stride_; }  // floats
  // The layer's part of a block of its group.
  float* Block(int64_t layer, int32_t block) {
    return buffer_.floats() + block * stride_ +
           groups_.places[static_cast<size_t>(layer)].index * layout_.block_floats();
  }

 private:
  kernels::KvLayout layout_;
  LayerGroups groups_;
  int64_t stride_;
  int64_t num_blocks_;
  kernels::HugeBuffer buffer_;
};

}  // namespace cohort::rollout
