#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace cohort::kernels {

namespace {

constexpr int64_t kLanes = 16;

// One bundle and one KV head. Tile row i = (row, head) with the heads of a row adjacent.
struct BundleWork {
  const Ops& ops;
  const AttentionArgs& args;
  const AttentionBundle& bundle;
  int64_t kv_head;
  int64_t group;    // query heads per KV head
  int64_t longest;  // tokens of the longest row
  int64_t ld_scores;
  float* q;         // [rows * group, head_dim]
  float* scores;    // [rows * group, ld_scores]
  float* weighted;  // [rows * group, padded_head_dim]

  const AttentionRow& row(int64_t i) const { return (*args.rows)[bundle.first_row + i]; }

  const float* Block(const AttentionRow& row, int64_t block) const {
    return args.cache + row.blocks[block] * args.block_stride;
  }

  void GatherQueries() const {
    const int64_t head_dim = args.layout.head_dim;
    for (int64_t i = 0; i < bundle.num_rows; ++i) {
      const float* from = args.q + (bundle.first_row + i) * args.ldq + kv_head * group * head_dim;
      std::memcpy(q + i * group * head_dim, from, static_cast<size_t>(group * head_dim) * 4);
    }
  }

  // Scores of tile rows [begin, end) with one block's keys.
  void Score(const float* block_base, int64_t block, int64_t begin, int64_t end,
             int64_t tokens) const {
    const KvLayout& layout = args.layout;
    ops.gemm_float({.a = q + begin * layout.head_dim,
                    .lda = layout.head_dim,
                    .rows = end - begin,
                    .panels = block_base + kv_head * layout.key_floats(),
                    .panel_stride = layout.head_dim * kLanes,
                    .num_panels = (tokens + kLanes - 1) / kLanes,
                    .k = layout.head_dim,
                    .c = scores + begin * ld_scores + block * kBlockTokens,
                    .ldc = ld_scores,
                    .mode = TileMode::kStore});
  }

  void Weigh(const float* block_base, int64_t block, int64_t begin, int64_t end,
             int64_t tokens) const {
    const KvLayout& layout = args.layout;
    const float* values =
        block_base + layout.kv_heads * layout.key_floats() + kv_head * layout.value_floats();
    ops.gemm_float({.a = scores + begin * ld_scores + block * kBlockTokens,
                    .lda = ld_scores,
                    .rows = end - begin,
                    .panels = values,
                    .panel_stride = kBlockTokens * kLanes,
                    .num_panels = layout.padded_head_dim() / kLanes,
                    .k = tokens,
                    .c = weighted + begin * layout.padded_head_dim(),
                    .ldc = layout.padded_head_dim(),
                    .mode = block == 0 ? TileMode::kStore : TileMode::kContinue});
  }

  // Blocks in ascending order for every tile row: first the shared ones for all rows, then each
  // row's own.
  template <class Step>
  void OverBlocks(Step step) const {
    const int64_t shared =
        std::min(bundle.shared_blocks, (longest + kBlockTokens - 1) / kBlockTokens);
    for (int64_t block = 0; block < shared; ++block) {
      const int64_t tokens = std::min(kBlockTokens, longest - block * kBlockTokens);
      step(Block(row(0), block), block, 0, bundle.num_rows * group, tokens);
    }
    for (int64_t i = 0; i < bundle.num_rows; ++i) {
      for (int64_t block = shared; block * kBlockTokens < row(i).length; ++block) {
        const int64_t tokens = std::min(kBlockTokens, row(i).length - block * kBlockTokens);
        step(Block(row(i), block), block, i * group, (i + 1) * group, tokens);
      }
    }
  }

  void Run() const {
    const int64_t head_dim = args.layout.head_dim;
    const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
    GatherQueries();
    OverBlocks([this](auto... a) { Score(a...); });
    for (int64_t i = 0; i < bundle.num_rows * group; ++i) {
      float* line = scores + i * ld_scores;
      const int64_t length = row(i / group).length;
      sums[i] = ops.softmax_exp(line, scale, length);
      // A longer row of the bundle runs on over later tokens: they weigh 0 here, which adds
      // nothing.
      std::fill(line + length, line + ld_scores, 0.0f);
    }
    OverBlocks([this](auto... a) { Weigh(a...); });
    for (int64_t i = 0; i < bundle.num_rows * group; ++i) {
      const int64_t head = kv_head * group + i % group;
      float* to = args.out + (bundle.first_row + i / group) * args.ldo + head * head_dim;
      std::memcpy(to, weighted + i * args.layout.padded_head_dim(),
                  static_cast<size_t>(head_dim) * 4);
      ops.scale(1.0f / sums[i], head_dim, to);
    }
  }

  float* sums;  // [rows * group]
};

}  // namespace

void WriteKv(const KvLayout& layout, float* block, int64_t slot, const float* k, const float* v) {
  const int64_t head_dim = layout.head_dim;
  float* values = block + layout.kv_heads * layout.key_floats();
  for (int64_t head = 0; head < layout.kv_heads; ++head) {
    float* key =
        block + head * layout.key_floats() + slot / kLanes * head_dim * kLanes + slot % kLanes;
    float* value = values + head * layout.value_floats() + slot * kLanes;
    for (int64_t d = 0; d < head_dim; ++d) {
      key[d * kLanes] = k[head * head_dim + d];
      value[d / kLanes * kBlockTokens * kLanes + d % kLanes] = v[head * head_dim + d];
    }
  }
}

int64_t BundleRows(int64_t heads_per_kv_head, int64_t length) {
  constexpr int64_t kScores = 32 << 10;  // floats: 128 KiB
  constexpr int64_t kTileRows = 48;
  const int64_t tile_rows = std::min(kTileRows, kScores / std::max<int64_t>(length, 1));
  return std::max<int64_t>(1, tile_rows / heads_per_kv_head);
}

void Attention(ThreadPool& pool, const Ops& ops, const AttentionArgs& args,
               AttentionScratch& scratch) {
  const KvLayout& layout = args.layout;
  if (layout.kv_heads < 1 || args.num_heads % layout.kv_heads != 0) {
    throw std::invalid_argument("Attention: num_heads is not a multiple of kv_heads");
  }
  for (const AttentionRow& row : *args.rows) {
    if (row.length < 1) throw std::invalid_argument("Attention: a row sees no token");
  }
  const int64_t group = args.num_heads / layout.kv_heads;
  scratch.resize(std::max<size_t>(scratch.size(), static_cast<size_t>(pool.size())));
  const int64_t tasks = static_cast<int64_t>(args.bundles->size()) * layout.kv_heads;
  pool.ParallelFor(tasks, [&](int64_t task, int worker) {
    const AttentionBundle& bundle = (*args.bundles)[static_cast<size_t>(task / layout.kv_heads)];
    int64_t longest = 0;
    for (int64_t i = 0; i < bundle.num_rows; ++i) {
      longest = std::max(longest, (*args.rows)[static_cast<size_t>(bundle.first_row + i)].length);
    }
    const int64_t tile_rows = bundle.num_rows * group;
    const int64_t ld_scores = (longest + kBlockTokens - 1) / kBlockTokens * kBlockTokens;
    std::vector<float>& memory = scratch[static_cast<size_t>(worker)];
    const int64_t floats = tile_rows * (layout.head_dim + ld_scores + layout.padded_head_dim() + 1);
    if (static_cast<int64_t>(memory.size()) < floats) memory.resize(static_cast<size_t>(floats));
    float* q = memory.data();
    float* scores = q + tile_rows * layout.head_dim;
    float* weighted = scores + tile_rows * ld_scores;
    float* sums = weighted + tile_rows * layout.padded_head_dim();
    BundleWork{ops,    args,     bundle, task % layout.kv_heads, group, longest, ld_scores, q,
               scores, weighted, sums}
        .Run();
  });
}

}  // namespace cohort::kernels
