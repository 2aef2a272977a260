#include "kernels/cpu/segment_attention.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "kernels/cpu/panel_copy.h"

namespace cohort::kernels {
namespace {

constexpr int64_t kPanel = 16;
// Query rows at once. Few, since the scores of a block are computed up to its last row's key, and
// those above the diagonal in vain. To the gradients of keys and values each block adds one chain.
constexpr int64_t kBlock = 48;
static_assert(kBlock <= kChainTerms);

int64_t Pad(int64_t n) { return (n + kPanel - 1) / kPanel * kPanel; }

// Hands out parts of one block of memory that its thread keeps.
class Scratch {
 public:
  explicit Scratch(int64_t floats) {
    static thread_local std::vector<float> memory;
    if (static_cast<int64_t>(memory.size()) < floats) memory.resize(static_cast<size_t>(floats));
    next_ = memory.data();
    end_ = next_ + floats;
  }
  float* Take(int64_t floats) {
    float* part = next_;
    next_ += floats;
    return next_ <= end_ ? part : nullptr;
  }

 private:
  float* next_;
  float* end_;
};

// One matrix [T, heads, dim] seen from one head.
struct HeadRows {
  const float* data;
  int64_t stride;
  const float* Row(int64_t t) const { return data + t * stride; }
};

HeadRows Head(const float* data, int64_t heads, int64_t head, int64_t dim) {
  return {data + head * dim, heads * dim};
}

// Keys (or values) of a segment: those of its prefix, then its own.
struct SegmentRows {
  HeadRows rows;
  const AttentionSegment* segment;

  int64_t count() const { return segment->prefix_length + segment->length; }
  // f(first row in T, index among the segment's keys, count) for both stretches.
  template <class F>
  void ForEachStretch(F f) const {
    if (segment->prefix_length > 0) f(segment->prefix_first, int64_t{0}, segment->prefix_length);
    f(segment->first, segment->prefix_length, segment->length);
  }

  // A panel's columns are 16 keys: [Pad(count) / 16][dim][16], zero beyond the last key.
  void AsColumns(int64_t dim, float* panels) const {
    const int64_t last = Pad(count()) - kPanel;
    std::fill_n(panels + last * dim, kPanel * dim, 0.0f);
    ForEachStretch([&](int64_t row, int64_t index, int64_t stretch) {
      while (stretch > 0) {
        const int64_t column = index % kPanel, some = std::min(stretch, kPanel - column);
        Transpose(rows.Row(row), rows.stride, dim, some, panels + (index - column) * dim + column,
                  kPanel);
        row += some, index += some, stretch -= some;
      }
    });
  }
  // A panel's columns are 16 dimensions: [Pad(dim) / 16][count][16].
  void AsRows(int64_t dim, float* panels) const {
    for (int64_t d = 0; d < dim; d += kPanel) {
      float* panel = panels + d * count();
      ForEachStretch([&](int64_t row, int64_t index, int64_t stretch) {
        CopyPanel(rows.Row(row) + d, rows.stride, stretch, std::min(kPanel, dim - d),
                  panel + index * kPanel);
      });
    }
  }
};

// c[rows, columns] = a[rows, depth] times panels, whole panels of columns.
struct Tiles {
  const float* a;
  int64_t lda, rows, depth;
  const float* panels;
  int64_t panel_stride, columns;
  float* c;
  int64_t ldc;
  TileMode mode = TileMode::kStore;
};
void Multiply(const Ops& ops, const Tiles& t) {
  ops.gemm_float({.a = t.a,
                  .lda = t.lda,
                  .rows = t.rows,
                  .panels = t.panels,
                  .panel_stride = t.panel_stride,
                  .num_panels = Pad(t.columns) / kPanel,
                  .k = t.depth,
                  .c = t.c,
                  .ldc = t.ldc,
                  .mode = t.mode});
}

// Rows [first, last) of a segment, counted from its start. Its keys are counted from
// `skipped_keys`, which no row of the block sees. That is a multiple of kChainTerms, so that the
// sums over keys have the chains of a block that skips none.
struct Block {
  int64_t segment_first;  // in T
  int64_t first, last;
  int64_t prefix;
  int64_t window;
  int64_t skipped_keys;

  int64_t rows() const { return last - first; }
  int64_t keys() const { return prefix + last - skipped_keys; }  // up to the last row's
  // The keys [FirstKey, EndKey) are those that a row sees.
  int64_t EndKey(int64_t row) const { return prefix + first + row + 1 - skipped_keys; }
  int64_t FirstKey(int64_t row) const {
    return window == 0 ? 0 : std::max<int64_t>(0, EndKey(row) - window);
  }
};

template <class F>
void ForEachBlock(const AttentionSegment& segment, int64_t window, F f) {
  const int64_t blocks = (segment.length + kBlock - 1) / kBlock;
  for (int64_t i = 0; i < blocks; ++i) {
    Block block{segment.first,
                i * segment.length / blocks,
                (i + 1) * segment.length / blocks,
                segment.prefix_length,
                window,
                /*skipped_keys=*/0};
    block.skipped_keys = block.FirstKey(0) / kChainTerms * kChainTerms;
    f(block);
  }
}

// Zero where a key is not seen by its row.
void ClearUnseen(const Block& block, int64_t i, float* row) {
  std::fill(row, row + block.FirstKey(i), 0.0f);
  std::fill(row + block.EndKey(i), row + block.keys(), 0.0f);
}

// The scores of a block's rows with the keys of one head.
struct Scores {
  float* weights;  // [rows, ld]: exp(score - max), 0 where a key is not seen
  int64_t ld;
  float* capped = nullptr;  // [rows, ld]: scores after the soft cap; null: not kept
  SoftmaxSum sums[kBlock]{};

  void Compute(const Ops& ops, const SegmentAttentionArgs& args, const Block& block, int64_t head,
               const float* key_columns) {
    const HeadRows q = Head(args.q, args.heads, head, args.qk_dim);
    Multiply(ops, {q.Row(block.segment_first + block.first), q.stride, block.rows(), args.qk_dim,
                   key_columns + block.skipped_keys * args.qk_dim, args.qk_dim * kPanel,
                   block.keys(), weights, ld});
    const float sink = args.sinks != nullptr ? args.sinks[head] : -INFINITY;
    const float scale = args.soft_cap > 0 ? 1.0f : args.scale;
    for (int64_t i = 0; i < block.rows(); ++i) {
      float* row = weights + i * ld;
      const int64_t first = block.FirstKey(i), seen = block.EndKey(i) - first;
      if (args.soft_cap > 0) ops.soft_cap(row + first, args.scale, args.soft_cap, seen);
      if (capped != nullptr) std::copy_n(row + first, seen, capped + i * ld + first);
      sums[i] = ops.softmax_exp(row + first, scale, sink, seen);
      ClearUnseen(block, i, row);
    }
  }
};

// Of the scores, from that of the weights in `gradient` [rows, ld]; `weights` become
// probabilities. Returns that of the sink: no value is the sink's, so its probability times
// 0 - <p, gradient>.
float ScoreGradients(const Ops& ops, const SegmentAttentionArgs& args, const Block& block,
                     const Scores& scores, float* gradient) {
  float sink = 0;
  for (int64_t i = 0; i < block.rows(); ++i) {
    const int64_t from = block.FirstKey(i), at = i * scores.ld + from;
    const int64_t seen = block.EndKey(i) - from;
    const SoftmaxSum& sum = scores.sums[i];
    const float mean =
        ops.softmax_gradient(scores.weights + at, gradient + at, sum.total, args.scale, seen);
    if (args.soft_cap > 0) {
      ops.soft_cap_gradient(scores.capped + at, args.soft_cap, seen, gradient + at);
    }
    sink -= sum.sink / sum.total * mean;
    ClearUnseen(block, i, gradient + i * scores.ld);
  }
  return sink;
}

// All query heads that share one KV head, for one segment.
void AttendSegment(const SegmentAttentionArgs& args, const AttentionSegment& segment,
                   int64_t kv_head, float* out, const Ops& ops) {
  const SegmentRows keys{Head(args.k, args.kv_heads, kv_head, args.qk_dim), &segment};
  const SegmentRows values{Head(args.v, args.kv_heads, kv_head, args.v_dim), &segment};
  const int64_t n = keys.count(), ld = Pad(n), v_ld = Pad(args.v_dim);
  Scratch scratch(ld * args.qk_dim + v_ld * n + kBlock * (ld + v_ld));
  float* key_columns = scratch.Take(ld * args.qk_dim);
  float* value_rows = scratch.Take(v_ld * n);
  Scores scores{scratch.Take(kBlock * ld), ld};
  float* result = scratch.Take(kBlock * v_ld);
  keys.AsColumns(args.qk_dim, key_columns);
  values.AsRows(args.v_dim, value_rows);
  const int64_t group = args.heads / args.kv_heads;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    ForEachBlock(segment, args.window, [&](const Block& block) {
      const int64_t row = segment.first + block.first;
      scores.Compute(ops, args, block, head, key_columns);
      Multiply(ops,
               {scores.weights, ld, block.rows(), block.keys(),
                value_rows + block.skipped_keys * kPanel, n * kPanel, args.v_dim, result, v_ld});
      for (int64_t i = 0; i < block.rows(); ++i) {
        float* to = out + ((row + i) * args.heads + head) * args.v_dim;
        std::copy_n(result + i * v_ld, args.v_dim, to);
        ops.scale(1.0f / scores.sums[i].total, args.v_dim, to);
      }
    });
  }
}

void AttendSegmentBackward(const SegmentAttentionArgs& args, const AttentionSegment& segment,
                           int64_t kv_head, const float* out_gradient,
                           const SegmentAttentionGradients& gradients, const Ops& ops) {
  const SegmentRows keys{Head(args.k, args.kv_heads, kv_head, args.qk_dim), &segment};
  const SegmentRows values{Head(args.v, args.kv_heads, kv_head, args.v_dim), &segment};
  const int64_t n = keys.count(), ld = Pad(n), k_ld = Pad(args.qk_dim), v_ld = Pad(args.v_dim);
  const int64_t capped_ld = args.soft_cap > 0 ? ld : 0;
  Scratch scratch(ld * (args.qk_dim + args.v_dim) + 2 * n * k_ld + n * v_ld +
                  kBlock * (2 * ld + n + 2 * k_ld + v_ld + capped_ld));
  float* key_columns = scratch.Take(ld * args.qk_dim);
  float* value_columns = scratch.Take(ld * args.v_dim);
  float* key_rows = scratch.Take(n * k_ld);
  float* k_gradient = scratch.Take(n * k_ld);
  float* v_gradient = scratch.Take(n * v_ld);
  Scores scores{scratch.Take(kBlock * ld), ld};
  if (args.soft_cap > 0) scores.capped = scratch.Take(kBlock * ld);
  float* score_gradient = scratch.Take(kBlock * ld);
  float* turned = scratch.Take(kBlock * n);  // a [rows, keys] matrix by keys
  float* q_gradient = scratch.Take(kBlock * k_ld);
  float* q_panels = scratch.Take(kBlock * k_ld);
  float* out_panels = scratch.Take(kBlock * v_ld);
  keys.AsColumns(args.qk_dim, key_columns);
  keys.AsRows(args.qk_dim, key_rows);
  values.AsColumns(args.v_dim, value_columns);
  std::fill_n(k_gradient, n * k_ld, 0.0f);
  std::fill_n(v_gradient, n * v_ld, 0.0f);
  const auto copy_panels = [](const float* from, int64_t stride, int64_t rows, int64_t dim,
                              float* to) {
    for (int64_t d = 0; d < dim; d += kPanel) {
      CopyPanel(from + d, stride, rows, std::min(kPanel, dim - d), to + d * rows);
    }
  };
  const int64_t group = args.heads / args.kv_heads;
  for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    const HeadRows q = Head(args.q, args.heads, head, args.qk_dim);
    const HeadRows d_out = Head(out_gradient, args.heads, head, args.v_dim);
    float sink_gradient = 0;
    ForEachBlock(segment, args.window, [&](const Block& block) {
      const int64_t row = segment.first + block.first, rows = block.rows(), seen = block.keys();
      const int64_t skipped = block.skipped_keys;
      scores.Compute(ops, args, block, head, key_columns);
      Multiply(ops, {d_out.Row(row), d_out.stride, rows, args.v_dim,
                     value_columns + skipped * args.v_dim, args.v_dim * kPanel, seen,
                     score_gradient, ld});
      sink_gradient += ScoreGradients(ops, args, block, scores, score_gradient);
      Multiply(ops, {score_gradient, ld, rows, seen, key_rows + skipped * kPanel, n * kPanel,
                     args.qk_dim, q_gradient, k_ld});
      for (int64_t i = 0; i < rows; ++i) {
        std::copy_n(q_gradient + i * k_ld, args.qk_dim,
                    gradients.q + ((row + i) * args.heads + head) * args.qk_dim);
      }
      copy_panels(d_out.Row(row), d_out.stride, rows, args.v_dim, out_panels);
      Transpose(scores.weights, ld, seen, rows, turned, rows);
      Multiply(ops, {turned, rows, seen, rows, out_panels, rows * kPanel, args.v_dim,
                     v_gradient + skipped * v_ld, v_ld, TileMode::kContinue});
      copy_panels(q.Row(row), q.stride, rows, args.qk_dim, q_panels);
      Transpose(score_gradient, ld, seen, rows, turned, rows);
      Multiply(ops, {turned, rows, seen, rows, q_panels, rows * kPanel, args.qk_dim,
                     k_gradient + skipped * k_ld, k_ld, TileMode::kContinue});
    });
    if (gradients.sinks != nullptr) gradients.sinks[head] += sink_gradient;
  }
  keys.ForEachStretch([&](int64_t row, int64_t index, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = (row + i) * args.kv_heads + kv_head;
      ops.add(k_gradient + (index + i) * k_ld, args.qk_dim, gradients.k + at * args.qk_dim);
      ops.add(v_gradient + (index + i) * v_ld, args.v_dim, gradients.v + at * args.v_dim);
    }
  });
}

}  // namespace

void AttendSegments(const SegmentAttentionArgs& args, float* out, const Ops& ops,
                    const ParallelTasks& parallel) {
  const auto count = static_cast<int64_t>(args.segments.size());
  parallel(count * args.kv_heads, [&](int64_t task) {
    const AttentionSegment& segment = args.segments[static_cast<size_t>(task / args.kv_heads)];
    if (segment.length > 0) AttendSegment(args, segment, task % args.kv_heads, out, ops);
  });
}

void AttendSegmentsBackward(const SegmentAttentionArgs& args, const float* out_gradient,
                            const SegmentAttentionGradients& gradients, const Ops& ops,
                            const ParallelTasks& parallel) {
  // Segments that add to the same prefix rows are one task: no locks, and one order.
  std::map<int64_t, std::vector<const AttentionSegment*>> families;
  for (const AttentionSegment& segment : args.segments) {
    if (segment.length == 0) continue;
    families[segment.prefix_length > 0 ? segment.prefix_first : segment.first].push_back(&segment);
  }
  std::vector<const std::vector<const AttentionSegment*>*> list;
  for (const auto& [root, family] : families) list.push_back(&family);
  const auto count = static_cast<int64_t>(list.size());
  const auto heads = static_cast<size_t>(args.heads);
  // All families add to a head's sink: each to its own, then one after the other.
  std::vector<float> sinks(gradients.sinks != nullptr ? list.size() * heads : 0);
  parallel(count * args.kv_heads, [&](int64_t task) {
    const auto family = static_cast<size_t>(task / args.kv_heads);
    SegmentAttentionGradients own = gradients;
    if (own.sinks != nullptr) own.sinks = sinks.data() + family * heads;
    for (const AttentionSegment* segment : *list[family]) {
      AttendSegmentBackward(args, *segment, task % args.kv_heads, out_gradient, own, ops);
    }
  });
  for (size_t i = 0; i < sinks.size(); ++i) gradients.sinks[i % heads] += sinks[i];
}

}  // namespace cohort::kernels
