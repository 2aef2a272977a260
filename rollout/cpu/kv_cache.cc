#include "rollout/cpu/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "base/error.h"

namespace cohort::rollout {

KvCache::KvCache(const kernels::KvLayout& layout, int64_t num_layers, int64_t bytes,
                 int64_t useful_blocks)
    : layout_(layout), stride_(layout.block_floats() * num_layers) {
  const int64_t block_bytes = stride_ * int64_t{sizeof(float)};
  const int64_t blocks = std::min(bytes / block_bytes, useful_blocks);
  if (blocks < 1) {
    throw Error(ErrorCode::kUsage,
                "the KV cache bound of " + std::to_string(bytes) +
                    " bytes holds no block: one of " + std::to_string(kernels::kBlockTokens) +
                    " tokens takes " + std::to_string(block_bytes),
                "raise kv_cache_bytes");
  }
  try {
    buffer_ = kernels::HugeBuffer(static_cast<size_t>(blocks * block_bytes));
  } catch (const std::bad_alloc&) {
    throw Error(
        ErrorCode::kEnvironment,
        "no memory for a KV cache of " + std::to_string(blocks * block_bytes >> 20) + " MiB",
        "lower kv_cache_bytes");
  }
  references_.assign(static_cast<size_t>(blocks), 0);
  for (int64_t block = blocks - 1; block >= 0; --block)
    free_.push_back(static_cast<int32_t>(block));
}

int32_t KvCache::Allocate() {
  if (free_.empty()) return -1;
  const int32_t block = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(block)] = 1;
  return block;
}

void KvCache::Retain(int32_t block) {
  COHORT_CHECK(references(block) > 0, "retaining a free KV block");
  ++references_[static_cast<size_t>(block)];
}

void KvCache::Release(int32_t block) {
  COHORT_CHECK(references(block) > 0, "releasing a free KV block");
  if (--references_[static_cast<size_t>(block)] == 0) free_.push_back(block);
}

void KvCache::ReleaseAll(BlockTable& table) {
  for (const int32_t block : table) Release(block);
  table.clear();
}

int32_t KvCache::CopyOf(int32_t block) {
  const int32_t copy = Allocate();
  if (copy >= 0) std::memcpy(Block(0, copy), Block(0, block), static_cast<size_t>(stride_) * 4);
  return copy;
}

}  // namespace cohort::rollout
