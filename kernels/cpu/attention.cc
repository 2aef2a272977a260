#include "kernels/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace cohort::kernels {

namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kTileHeads = 16;  // query heads that one task computes, at most
constexpr int64_t kBlocksPerChain = kChainTerms / kBlockTokens;
static_assert(kChainTerms % kBlockTokens == 0);

int64_t Blocks(int64_t tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

// The first token that a row of `length` tokens sees.
int64_t FirstToken(const AttentionArgs& args, int64_t length) {
  return args.window == 0 ? 0 : std::max<int64_t>(0, length - args.window);
}

// Scratch memory of a task.
struct Tile {
  float* q;         // [rows * heads, ld_query]
  float* scores;    // [rows * heads, ld_scores]
  float* weighted;  // [rows * heads, padded_value_dim], sums of chains that have ended
  float* chain;     // the same of the one under way
  float* sums;      // [rows * heads]
};

// One bundle and some query heads of one KV head. Tile row i = (row, head) with the heads of a row
// adjacent.
struct BundleWork {
  const Ops& ops;
  const AttentionArgs& args;
  const AttentionBundle& bundle;
  int64_t kv_head;
  int64_t first_head;
  int64_t heads;
  int64_t longest;      // tokens of the longest row
  int64_t first_block;  // no row sees a token before this block
  int64_t ld_query;
  int64_t ld_scores;
  Tile tile;

  const AttentionRow& row(int64_t i) const { return (*args.rows)[bundle.first_row + i]; }

  const float* Block(const AttentionRow& row, int64_t block) const {
    return args.cache + row.blocks[block] * args.block_stride;
  }

  void GatherQueries() const {
    const int64_t key_dim = args.layout.key_dim;
    for (int64_t i = 0; i < bundle.num_rows * heads; ++i) {
      const float* from = args.q + (bundle.first_row + i / heads) * args.ldq +
                          (first_head + i % heads) * args.q_stride;
      float* to = tile.q + i * ld_query;
      std::memcpy(to, from, static_cast<size_t>(key_dim) * 4);
      std::fill(to + key_dim, to + ld_query, 0.0f);
    }
  }

  const float* Keys(const float* block_base) const {
    return block_base + kv_head * args.layout.key_floats();
  }
  const float* Values(const float* block_base) const {
    const KvLayout& layout = args.layout;
    if (layout.values_in_keys) return Keys(block_base);
    return block_base + layout.kv_heads * layout.key_floats() + kv_head * layout.value_floats();
  }

  // Scores of tile rows [begin, end) with one block's keys.
  void Score(const float* block_base, int64_t block, int64_t begin, int64_t end,
             int64_t tokens) const {
    const KvLayout& layout = args.layout;
    const float* queries = tile.q + begin * ld_query;
    float* out = tile.scores + begin * ld_scores + block * kBlockTokens;
    if (layout.values_in_keys) {
      return ops.dot({.a = queries,
                      .lda = ld_query,
                      .rows = end - begin,
                      .panels = Keys(block_base),
                      .panel_stride = kBlockTokens * kLanes,
                      .num_panels = ld_query / kLanes,
                      .tokens = tokens,
                      .c = out,
                      .ldc = ld_scores});
    }
    ops.gemm_float({.a = queries,
                    .lda = ld_query,
                    .rows = end - begin,
                    .panels = Keys(block_base),
                    .panel_stride = layout.key_dim * kLanes,
                    .num_panels = (tokens + kLanes - 1) / kLanes,
                    .k = layout.key_dim,
                    .c = out,
                    .ldc = ld_scores,
                    .mode = TileMode::kStore});
  }

  // The chains of a row that sees all tokens, without the terms before first_block: those weigh 0.
  int64_t SecondChain() const { return (first_block / kBlocksPerChain + 1) * kBlocksPerChain; }

  // The first chain of the tokens is summed in place; a later one apart, until it ends.
  void Weigh(const float* block_base, int64_t block, int64_t begin, int64_t end,
             int64_t tokens) const {
    const int64_t ld_weighted = args.layout.padded_value_dim();
    float* weighted = tile.weighted + begin * ld_weighted;
    float* chain = tile.chain + begin * ld_weighted;
    const bool starts = block == first_block || block % kBlocksPerChain == 0;
    const int64_t second_chain = SecondChain();
    if (starts && block > second_chain) ops.add(chain, (end - begin) * ld_weighted, weighted);
    ops.gemm_float({.a = tile.scores + begin * ld_scores + block * kBlockTokens,
                    .lda = ld_scores,
                    .rows = end - begin,
                    .panels = Values(block_base),
                    .panel_stride = kBlockTokens * kLanes,
                    .num_panels = ld_weighted / kLanes,
                    .k = tokens,
                    .c = block < second_chain ? weighted : chain,
                    .ldc = ld_weighted,
                    .mode = starts ? TileMode::kStore : TileMode::kExtend});
  }

  int64_t SharedBlocks() const { return std::min(bundle.shared_blocks, Blocks(longest)); }

  // Blocks in ascending order for every tile row: first the shared ones for all rows, then each
  // row's own.
  template <class Step>
  void OverBlocks(Step step) const {
    const int64_t shared = SharedBlocks();
    for (int64_t block = first_block; block < shared; ++block) {
      const int64_t tokens = std::min(kBlockTokens, longest - block * kBlockTokens);
      step(Block(row(0), block), block, 0, bundle.num_rows * heads, tokens);
    }
    for (int64_t i = 0; i < bundle.num_rows; ++i) {
      for (int64_t block = std::max(first_block, shared); block * kBlockTokens < row(i).length;
           ++block) {
        const int64_t tokens = std::min(kBlockTokens, row(i).length - block * kBlockTokens);
        step(Block(row(i), block), block, i * heads, (i + 1) * heads, tokens);
      }
    }
  }

  void Run() const {
    const int64_t value_dim = args.layout.value_dim;
    GatherQueries();
    OverBlocks([this](auto... a) { Score(a...); });
    for (int64_t i = 0; i < bundle.num_rows * heads; ++i) {
      float* line = tile.scores + i * ld_scores;
      const int64_t length = row(i / heads).length, first = FirstToken(args, length);
      const int64_t head = first_head + i % heads;
      if (args.soft_cap > 0) {
        ops.soft_cap(line + first, args.scale, args.soft_cap, length - first);
      }
      const float sink = args.sinks != nullptr ? args.sinks[head] : -INFINITY;
      const float scale = args.soft_cap > 0 ? 1.0f : args.scale;
      tile.sums[i] = ops.softmax_exp(line + first, scale, sink, length - first).total;
      // Other rows of the bundle begin with earlier tokens or run on over later ones: those weigh 0
      // here, which adds nothing.
      std::fill(line + first_block * kBlockTokens, line + first, 0.0f);
      std::fill(line + length, line + ld_scores, 0.0f);
    }
    OverBlocks([this](auto... a) { Weigh(a...); });
    for (int64_t i = 0; i < bundle.num_rows * heads; ++i) {
      const int64_t head = first_head + i % heads, at = i * args.layout.padded_value_dim();
      float* to = args.out + (bundle.first_row + i / heads) * args.ldo + head * value_dim;
      std::memcpy(to, tile.weighted + at, static_cast<size_t>(value_dim) * 4);
      const bool chains = std::max(SharedBlocks(), Blocks(row(i / heads).length)) > SecondChain();
      if (chains) ops.add(tile.chain + at, value_dim, to);
      ops.scale(1.0f / tile.sums[i], value_dim, to);
    }
  }
};

// In how many parts the query heads of a KV head are taken; each part reads its keys once. More
// than memory asks for only where threads would have nothing to do.
int64_t HeadParts(int64_t group, int64_t bundle_heads, int threads) {
  const int64_t least = (group + kTileHeads - 1) / kTileHeads;
  const int64_t busy = (threads + bundle_heads - 1) / std::max<int64_t>(bundle_heads, 1);
  return std::min(group, std::max(least, busy));
}

void WriteOnce(const KvLayout& layout, float* block, int64_t slot, const float* k) {
  for (int64_t head = 0; head < layout.kv_heads; ++head) {
    const float* from = k + head * layout.key_dim;
    float* to = block + head * layout.key_floats() + slot * kLanes;
    for (int64_t d = 0; d < layout.key_dim; d += kLanes, to += kBlockTokens * kLanes) {
      const int64_t count = std::min(kLanes, layout.key_dim - d);
      std::copy(from + d, from + d + count, to);
      std::fill(to + count, to + kLanes, 0.0f);
    }
  }
}

}  // namespace

void WriteKv(const KvLayout& layout, float* block, int64_t slot, const float* k, const float* v) {
  if (layout.values_in_keys) return WriteOnce(layout, block, slot, k);
  const int64_t key_dim = layout.key_dim, value_dim = layout.value_dim;
  float* values = block + layout.kv_heads * layout.key_floats();
  for (int64_t head = 0; head < layout.kv_heads; ++head) {
    float* key =
        block + head * layout.key_floats() + slot / kLanes * key_dim * kLanes + slot % kLanes;
    for (int64_t d = 0; d < key_dim; ++d) key[d * kLanes] = k[head * key_dim + d];
    float* value = values + head * layout.value_floats() + slot * kLanes;
    for (int64_t d = 0; d < value_dim; ++d) {
      value[d / kLanes * kBlockTokens * kLanes + d % kLanes] = v[head * value_dim + d];
    }
  }
}

int64_t BundleRows(int64_t heads_per_kv_head, int64_t length) {
  constexpr int64_t kScores = 32 << 10;  // floats: 128 KiB
  constexpr int64_t kTileRows = 48;
  const int64_t tile_rows = std::min(kTileRows, kScores / std::max<int64_t>(length, 1));
  return std::max<int64_t>(1, tile_rows / std::min(heads_per_kv_head, kTileHeads));
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
  const int64_t bundle_heads = static_cast<int64_t>(args.bundles->size()) * layout.kv_heads;
  const int64_t parts = HeadParts(group, bundle_heads, pool.size());
  const int64_t ld_query = layout.values_in_keys ? layout.padded_key_dim() : layout.key_dim;
  scratch.resize(std::max<size_t>(scratch.size(), static_cast<size_t>(pool.size())));
  pool.ParallelFor(bundle_heads * parts, [&](int64_t task, int worker) {
    const int64_t part = task % parts, kv_head = task / parts % layout.kv_heads;
    const auto index = static_cast<size_t>(task / parts / layout.kv_heads);
    const AttentionBundle& bundle = (*args.bundles)[index];
    const int64_t begin = part * group / parts, heads = (part + 1) * group / parts - begin;
    int64_t longest = 0, shortest = std::numeric_limits<int64_t>::max();
    for (int64_t i = 0; i < bundle.num_rows; ++i) {
      const int64_t length = (*args.rows)[static_cast<size_t>(bundle.first_row + i)].length;
      longest = std::max(longest, length);
      shortest = std::min(shortest, length);
    }
    const int64_t tile_rows = bundle.num_rows * heads;
    const int64_t ld_scores = Blocks(longest) * kBlockTokens;
    const int64_t value_floats = tile_rows * layout.padded_value_dim();
    std::vector<float>& memory = scratch[static_cast<size_t>(worker)];
    const int64_t floats = tile_rows * (ld_query + ld_scores + 1) + 2 * value_floats;
    if (static_cast<int64_t>(memory.size()) < floats) memory.resize(static_cast<size_t>(floats));
    Tile tile{};
    tile.q = memory.data();
    tile.scores = tile.q + tile_rows * ld_query;
    tile.weighted = tile.scores + tile_rows * ld_scores;
    tile.chain = tile.weighted + value_floats;
    tile.sums = tile.chain + value_floats;
    BundleWork{.ops = ops,
               .args = args,
               .bundle = bundle,
               .kv_head = kv_head,
               .first_head = kv_head * group + begin,
               .heads = heads,
               .longest = longest,
               .first_block = FirstToken(args, shortest) / kBlockTokens,
               .ld_query = ld_query,
               .ld_scores = ld_scores,
               .tile = tile}
        .Run();
  });
}

}  // namespace cohort::kernels
