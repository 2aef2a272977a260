#pragma once

// Grouped-query attention over a paged fp32 KV cache.
//
// A block holds kBlockTokens tokens of one layer: for each KV head the keys as panels
// [2][head_dim][16 tokens], then for each KV head the values as panels [head_dim /
// 16][kBlockTokens][16]. So both products (queries with keys, probabilities with values) are the
// packed product of ops.h: a score is one chain over head_dim, an output one chain over the tokens
// in order. The softmax is exact over the whole row, not online, hence prefill and decode, alone or
// beside other rows, give the same bits.

#include <cstdint>
#include <vector>

#include "kernels/ops.h"
#include "kernels/thread_pool.h"

namespace cohort::kernels {

constexpr int64_t kBlockTokens = 32;

struct KvLayout {
  int64_t kv_heads = 0;
  int64_t head_dim = 0;

  int64_t padded_head_dim() const { return (head_dim + 15) / 16 * 16; }
  int64_t key_floats() const { return kBlockTokens * head_dim; }             // of one KV head
  int64_t value_floats() const { return kBlockTokens * padded_head_dim(); }  // of one KV head
  int64_t block_floats() const { return kv_heads * (key_floats() + value_floats()); }  // one layer
};

// Stores one token's keys and values, each [kv_heads * head_dim], in place `slot` of a block.
void WriteKv(const KvLayout& layout, float* block, int64_t slot, const float* k, const float* v);

// A query token: it sees the first `length` tokens of its block table, itself included.
struct AttentionRow {
  const int32_t* blocks = nullptr;
  int64_t length = 0;
};

// Consecutive rows computed together. Their tables agree in the first `shared_blocks` blocks, which
// are read once for all; beyond these each row follows its own table.
struct AttentionBundle {
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t shared_blocks = 0;
};

struct AttentionArgs {
  KvLayout layout;
  const float* cache = nullptr;  // this layer's part of block 0
  int64_t block_stride = 0;      // floats from a block to the next
  int64_t num_heads =
      0;  // a multiple of kv_heads; query head h uses KV head h / (heads / kv_heads)
  const float* q = nullptr;  // [rows, ldq], head h at h * head_dim
  int64_t ldq = 0;
  float* out = nullptr;  // [rows, ldo]
  int64_t ldo = 0;
  const std::vector<AttentionRow>* rows = nullptr;
  const std::vector<AttentionBundle>* bundles = nullptr;
};

// Per-worker scratch memory, kept between calls.
using AttentionScratch = std::vector<std::vector<float>>;

// scale = head_dim^-0.5. std::invalid_argument for num_heads not a multiple of kv_heads or a row of
// length 0.
void Attention(ThreadPool& pool, const Ops& ops, const AttentionArgs& args,
               AttentionScratch& scratch);

// Rows to put in one bundle, so that their scores stay in the L2 cache.
int64_t BundleRows(int64_t heads_per_kv_head, int64_t length);

}  // namespace cohort::kernels
