#include "rollout/cpu/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "base/error.h"

namespace cohort::rollout {

KvCache::KvCache(const kernels::KvLayout& layout, LayerGroups groups, int64_t bytes,
                 int64_t useful_blocks)
    : layout_(layout),
      groups_(std::move(groups)),
      stride_(layout.block_floats() * groups_.group_layers) {
  const int64_t block_bytes = stride_ * int64_t{sizeof(float)};
  num_blocks_ = std::min(bytes / block_bytes, useful_blocks);
  if (num_blocks_ < 1) {
    throw Error(ErrorCode::kUsage,
                "the KV cache bound of " + std::to_string(bytes) +
                    " bytes holds no block: one of " + std::to_string(kernels::kBlockTokens) +
                    " tokens in " + std::to_string(groups_.group_layers) + " layers takes " +
                    std::to_string(block_bytes),
                "raise rollout.kv_cache_mb");
  }
  try {
    buffer_ = kernels::HugeBuffer(static_cast<size_t>(num_blocks_ * block_bytes));
  } catch (const std::bad_alloc&) {
    throw Error(
        ErrorCode::kEnvironment,
        "no memory for a KV cache of " + std::to_string(num_blocks_ * block_bytes >> 20) + " MiB",
        "lower rollout.kv_cache_mb");
  }
}

void KvCache::Copy(int32_t from, int32_t to) {
  float* blocks = buffer_.floats();
  std::memcpy(blocks + to * stride_, blocks + from * stride_,
              static_cast<size_t>(stride_) * sizeof(float));
}

}  // namespace cohort::rollout
