#include "kernels/cpu/dense_product.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/cpu/panel_copy.h"

namespace cohort::kernels {
namespace {

constexpr int64_t kPanel = 16;            // columns of the register tile's panel
constexpr int64_t kPanelsAtOnce = 8;      // copied into the L2 cache and met by all rows of a task
constexpr int64_t kDepthAtOnce = 512;     // so that a tile's rows stay in the L1 cache meanwhile
constexpr int64_t kRowsAtOnce = 120;      // ten tiles, which stay in the L2 cache beside the panels
constexpr int64_t kTaskWork = 8 << 20;    // multiply-adds of a task
constexpr int64_t kTaskRows = 480;        // fewer would not repay copying the panels
constexpr int64_t kCopyFloats = 1 << 16;  // of a task that copies rows
static_assert(kDepthAtOnce % kChainTerms == 0);

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool IsPairs(const DenseProduct& p) { return p.numerics == Numerics::kBf16Dot; }
// Elements of a copied row of `depth` numbers: floats, or pairs in the memory of as many floats.
int64_t Steps(const DenseProduct& p, int64_t depth) { return IsPairs(p) ? (depth + 1) / 2 : depth; }
bool NeedsRowCopy(const DenseProduct& p) { return p.a_column != 1 || IsPairs(p); }
int64_t Panels(const DenseProduct& p) { return CeilDiv(p.columns, kPanel); }
// Rounded up, so that every part of the scratch is aligned like its start.
int64_t RowCopyFloats(const DenseProduct& p) {
  return NeedsRowCopy(p) ? CeilDiv(p.rows * Steps(p, p.depth), kPanel) * kPanel : 0;
}

// The part of a or b with `rows` rows and `depth` columns that starts at `data`, as a copy reads
// it.
struct Source {
  const float* data;
  int64_t row, column;  // strides
};

// to[i * to_row + k] = element (i, k)
void CopyPlain(const Source& from, int64_t rows, int64_t depth, float* to, int64_t to_row) {
  CopyStrided(from.data, from.row, from.column, rows, depth, to, to_row);
}

constexpr int64_t kTile = 16, kTileDepth = 64;  // of a copy, which stays in the L1 cache

// out[i * out_row + k] = the pair of elements (i, 2 k) and (i, 2 k + 1), for at most 16 rows; the
// last odd element may be missing.
void CopyPairs(const Source& from, const Ops& ops, int64_t rows, int64_t depth, uint32_t* out,
               int64_t out_row) {
  alignas(64) std::array<float, kTile * kTileDepth> tile;
  for (int64_t k = 0; k < depth; k += kTileDepth) {
    const int64_t count = std::min(kTileDepth, depth - k);
    CopyPlain({from.data + k * from.column, from.row, from.column}, rows, count, tile.data(),
              kTileDepth);
    for (int64_t i = 0; i < rows; ++i) {
      if (count % 2 == 1) tile[static_cast<size_t>(i * kTileDepth + count)] = 0.0f;
      ops.round_bf16(tile.data() + i * kTileDepth, count + count % 2,
                     reinterpret_cast<uint16_t*>(out + i * out_row + k / 2));
    }
  }
}

// out[k * 16 + c] = the pair of b(16 panel + c, first + 2 k) and the element after it; zero where
// there is no such column.
void CopyPairPanel(const Source& b, const Ops& ops, int64_t count, int64_t depth, float* out) {
  if (count < kPanel) std::fill(out, out + (depth + 1) / 2 * kPanel, 0.0f);
  auto* pairs = reinterpret_cast<uint32_t*>(out);
  if (b.row == 1) {
    constexpr std::array<float, kPanel> kNone{};
    for (int64_t k = 0; k < depth; k += 2) {
      const float* even = b.data + k * b.column;
      ops.round_pairs(even, k + 1 < depth ? even + b.column : kNone.data(), count,
                      pairs + k / 2 * kPanel);
    }
    return;
  }
  constexpr int64_t kPairs = kTileDepth / 2;
  alignas(64) std::array<float, kPanel * kPairs> rows;  // pairs, which Transpose only moves
  for (int64_t k = 0; k < depth; k += kTileDepth) {
    const int64_t part = std::min(kTileDepth, depth - k);
    CopyPairs({b.data + k * b.column, b.row, b.column}, ops, count, part,
              reinterpret_cast<uint32_t*>(rows.data()), kPairs);
    Transpose(rows.data(), kPairs, (part + 1) / 2, count, out + k / 2 * kPanel, kPanel);
  }
}

// The same panel of a b that is kept in fewer bits, a piece at a time.
void CopyStoredPart(const DenseProduct& p, const Ops& ops, MatrixWindow window, float* out) {
  constexpr int64_t kAtOnce = 256;
  alignas(64) std::array<float, kPanel * kAtOnce> piece;
  const int64_t end = window.column + window.columns;
  for (; window.column < end; window.column += kAtOnce) {
    window.columns = std::min(kAtOnce, end - window.column);
    ReadMatrix(p.stored_b, window, piece.data(), kAtOnce);
    if (IsPairs(p)) {
      CopyPairPanel({piece.data(), kAtOnce, 1}, ops, window.rows, window.columns, out);
    } else {
      if (window.rows < kPanel) std::fill(out, out + window.columns * kPanel, 0.0f);
      Transpose(piece.data(), kAtOnce, window.columns, window.rows, out, kPanel);
    }
    out += Steps(p, window.columns) * kPanel;
  }
}

// Columns 16 panel .. 16 panel + 15 of b^T from row `first` on, `depth` deep, as the tile reads it.
void CopyPart(const DenseProduct& p, const Ops& ops, int64_t panel, int64_t first, int64_t depth,
              float* out) {
  const int64_t count = std::min(kPanel, p.columns - panel * kPanel);
  if (p.stored_b.data != nullptr) {
    return CopyStoredPart(p, ops, {panel * kPanel, first, count, depth}, out);
  }
  const Source b = {p.b + panel * kPanel * p.b_row + first * p.b_column, p.b_row, p.b_column};
  if (IsPairs(p)) return CopyPairPanel(b, ops, count, depth, out);
  if (p.b_row == 1) return CopyPanel(b.data, p.b_column, depth, count, out);
  if (count < kPanel) std::fill(out, out + depth * kPanel, 0.0f);
  if (p.b_column == 1) return Transpose(b.data, p.b_row, depth, count, out, kPanel);
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t c = 0; c < count; ++c) out[k * kPanel + c] = b.data[c * p.b_row + k * p.b_column];
  }
}

// Rows [begin, end) of a, each of Steps(depth) elements.
void CopyRows(const DenseProduct& p, const Ops& ops, int64_t begin, int64_t end, float* out) {
  const int64_t out_row = Steps(p, p.depth);
  for (int64_t row = begin; row < end; row += kTile) {
    const int64_t rows = std::min(kTile, end - row);
    const Source a = {p.a + row * p.a_row, p.a_row, p.a_column};
    float* to = out + row * out_row;
    if (IsPairs(p)) {
      CopyPairs(a, ops, rows, p.depth, reinterpret_cast<uint32_t*>(to), out_row);
      continue;
    }
    for (int64_t k = 0; k < p.depth; k += kTileDepth) {
      CopyPlain({a.data + k * a.column, a.row, a.column}, rows, std::min(kTileDepth, p.depth - k),
                to + k, out_row);
    }
  }
}

// Rows [row, row_end) against the copied panels, `depth` deep. `first`: the sums start here.
void MultiplyRows(const DenseProduct& p, const Ops& ops, TileArgs args, int64_t panel, bool first) {
  args.mode = first && !p.accumulate ? TileMode::kStore : TileMode::kContinue;
  const auto multiply = IsPairs(p) ? ops.gemm_pairs : ops.gemm_float;
  const int64_t whole = std::min(args.num_panels, p.columns / kPanel - panel);
  const int64_t panels = std::exchange(args.num_panels, whole);
  if (whole > 0) multiply(args);
  if (whole == panels) return;
  // The tile writes whole panels; of the last one only the columns that exist go out.
  std::array<float, kRowsAtOnce * kPanel> edge{};
  const int64_t columns = p.columns % kPanel;
  float* out = args.c + whole * kPanel;
  if (args.mode == TileMode::kContinue) {
    for (int64_t i = 0; i < args.rows; ++i) {
      std::copy_n(out + i * p.out_row, columns, edge.data() + i * kPanel);
    }
  }
  args.panels = static_cast<const float*>(args.panels) + whole * args.panel_stride;  // or pairs
  args.num_panels = 1;
  args.c = edge.data();
  args.ldc = kPanel;
  multiply(args);
  for (int64_t i = 0; i < args.rows; ++i) {
    std::copy_n(edge.data() + i * kPanel, columns, out + i * p.out_row);
  }
}

struct Task {
  size_t product;
  int64_t row, row_end;
  int64_t panel = 0, panel_end = 0;
};

// `a`, `lda`: the product's rows, contiguous.
void MultiplyTask(const DenseProduct& p, const Ops& ops, const Task& task, const float* a,
                  int64_t lda) {
  alignas(64) std::array<float, kPanelsAtOnce * kPanel * kDepthAtOnce> panels;
  const int64_t rows = task.row_end - task.row;
  const int64_t row_blocks = CeilDiv(rows, kRowsAtOnce);
  const int64_t chains = CeilDiv(p.depth, kChainTerms);
  const int64_t depth_blocks = CeilDiv(p.depth, kDepthAtOnce);
  for (int64_t panel = task.panel; panel < task.panel_end; panel += kPanelsAtOnce) {
    const int64_t count = std::min(kPanelsAtOnce, task.panel_end - panel);
    for (int64_t block = 0; block < depth_blocks; ++block) {
      const int64_t k = block * chains / depth_blocks * kChainTerms;
      const int64_t end = (block + 1) * chains / depth_blocks * kChainTerms;
      const int64_t depth = std::min(end, p.depth) - k;
      const int64_t steps = Steps(p, depth);
      for (int64_t i = 0; i < count; ++i) {
        CopyPart(p, ops, panel + i, k, depth, panels.data() + i * steps * kPanel);
      }
      for (int64_t part = 0; part < row_blocks; ++part) {
        const int64_t row = task.row + part * rows / row_blocks;
        MultiplyRows(p, ops,
                     {.a = a + row * lda + (IsPairs(p) ? k / 2 : k),
                      .lda = lda,
                      .rows = task.row + (part + 1) * rows / row_blocks - row,
                      .panels = panels.data(),
                      .panel_stride = steps * kPanel,
                      .num_panels = count,
                      .k = steps,
                      .c = p.out + row * p.out_row + panel * kPanel,
                      .ldc = p.out_row,
                      .mode = TileMode::kStore},
                     panel, k == 0);
      }
    }
  }
}

void AddTasks(const DenseProduct& p, size_t index, std::vector<Task>* tasks) {
  const int64_t row_blocks = std::max<int64_t>(1, p.rows / kTaskRows);
  const int64_t panel_work = std::max<int64_t>(1, p.rows / row_blocks * p.depth * kPanel);
  const int64_t chunk =
      std::max<int64_t>(1, kTaskWork / panel_work / kPanelsAtOnce) * kPanelsAtOnce;
  for (int64_t panel = 0; panel < Panels(p); panel += chunk) {
    for (int64_t block = 0; block < row_blocks; ++block) {
      tasks->push_back({index, block * p.rows / row_blocks, (block + 1) * p.rows / row_blocks,
                        panel, std::min(panel + chunk, Panels(p))});
    }
  }
}

}  // namespace

int64_t DenseScratchFloats(std::span<const DenseProduct> products) {
  int64_t floats = 0;
  for (const DenseProduct& p : products) floats += RowCopyFloats(p);
  return floats;
}

void MultiplyDense(std::span<const DenseProduct> products, const Ops& ops, float* scratch,
                   const ParallelTasks& parallel) {
  std::vector<float*> copied;
  std::vector<Task> copies, tasks;
  for (size_t i = 0; i < products.size(); ++i) {
    const DenseProduct& p = products[i];
    copied.push_back(scratch);
    scratch += RowCopyFloats(p);
    if (p.rows == 0 || p.columns == 0) continue;
    if (p.depth == 0) {
      for (int64_t row = 0; !p.accumulate && row < p.rows; ++row) {
        std::fill_n(p.out + row * p.out_row, p.columns, 0.0f);
      }
      continue;
    }
    const int64_t at_once = std::max<int64_t>(1, kCopyFloats / p.depth / kPanel) * kPanel;
    for (int64_t row = 0; NeedsRowCopy(p) && row < p.rows; row += at_once) {
      copies.push_back({i, row, std::min(row + at_once, p.rows)});
    }
    AddTasks(p, i, &tasks);
  }
  if (!copies.empty()) {
    parallel(static_cast<int64_t>(copies.size()), [&](int64_t n) {
      const Task& task = copies[static_cast<size_t>(n)];
      CopyRows(products[task.product], ops, task.row, task.row_end, copied[task.product]);
    });
  }
  parallel(static_cast<int64_t>(tasks.size()), [&](int64_t n) {
    const Task& task = tasks[static_cast<size_t>(n)];
    const DenseProduct& p = products[task.product];
    const bool copy = NeedsRowCopy(p);
    MultiplyTask(p, ops, task, copy ? copied[task.product] : p.a,
                 copy ? Steps(p, p.depth) : p.a_row);
  });
}

}  // namespace cohort::kernels
