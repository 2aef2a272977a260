#pragma once

// Attention over a paged fp32 KV cache: grouped-query (arXiv 2305.13245), and latent in its
// absorbed form (arXiv 2405.04434 section 2.1), where one KV head serves all queries and its values
// are the first numbers of its keys.
//
// A block holds kBlockTokens tokens of one layer. Grouped-query: for each KV head the keys as
// panels [2][key_dim][16 tokens], then for each KV head the values as panels [value_dim /
// 16][kBlockTokens][16]. So both products (queries with keys, probabilities with values) are the
// packed product of ops.h: a score is a sum over key_dim, an output a sum over the tokens in order,
// whose chains begin at multiples of kChainTerms of the position. With values_in_keys a token is
// stored once, as the values are; then a score is a sum in lanes over key_dim. The softmax is exact
// over the whole row, not online, hence prefill and decode, alone or beside other rows, give the
// same bits.

#include <cstdint>
#include <vector>

#include "kernels/cpu/ops.h"
#include "kernels/cpu/thread_pool.h"

namespace cohort::kernels {

constexpr int64_t kBlockTokens = 32;

struct KvLayout {
  int64_t kv_heads = 0;
  int64_t key_dim = 0;    // of one KV head
  int64_t value_dim = 0;  // of one KV head
  // The values are the first value_dim numbers of the keys and are not stored again.
  bool values_in_keys = false;

  int64_t padded_key_dim() const { return (key_dim + 15) / 16 * 16; }
  int64_t padded_value_dim() const { return (value_dim + 15) / 16 * 16; }
  // The sizes below are those of one KV head.
  int64_t key_floats() const {
    return kBlockTokens * (values_in_keys ? padded_key_dim() : key_dim);
  }
  int64_t value_floats() const { return values_in_keys ? 0 : kBlockTokens * padded_value_dim(); }
  int64_t block_floats() const { return kv_heads * (key_floats() + value_floats()); }  // one layer
};

// Stores one token's keys [kv_heads * key_dim] and values [kv_heads * value_dim] in place `slot` of
// a block; v is not read with values_in_keys.
void WriteKv(const KvLayout& layout, float* block, int64_t slot, const float* k, const float* v);

// A query token: it sees the first `length` tokens of its block table, itself included. Entries of
// blocks that lie before the window of every row of its bundle are not read.
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
  // A multiple of kv_heads; query head h uses KV head h / (num_heads / kv_heads).
  int64_t num_heads = 0;
  float scale = 0.0f;  // of the products of queries and keys
  // A score is soft_cap tanh(scale q.k / soft_cap) (arXiv 2408.00118 section 2.2); 0: scale q.k.
  float soft_cap = 0.0f;
  // [num_heads], a logit of each head that joins its softmax and has no value (arXiv 2309.17453);
  // null: none.
  const float* sinks = nullptr;
  // A row sees at most its last `window` tokens (arXiv 2310.06825 section 2); 0: all.
  int64_t window = 0;
  const float* q = nullptr;  // [rows, ldq], head h at h * q_stride
  int64_t ldq = 0;
  int64_t q_stride = 0;  // at least key_dim
  float* out = nullptr;  // [rows, ldo], head h at h * value_dim
  int64_t ldo = 0;
  const std::vector<AttentionRow>* rows = nullptr;
  const std::vector<AttentionBundle>* bundles = nullptr;
};

// Per-worker scratch memory, kept between calls.
using AttentionScratch = std::vector<std::vector<float>>;

// std::invalid_argument for num_heads not a multiple of kv_heads or a row of length 0.
void Attention(ThreadPool& pool, const Ops& ops, const AttentionArgs& args,
               AttentionScratch& scratch);

// Rows to put in one bundle, so that their scores stay in the L2 cache.
int64_t BundleRows(int64_t heads_per_kv_head, int64_t length);

}  // namespace cohort::kernels
