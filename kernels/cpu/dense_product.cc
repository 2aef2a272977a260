#include "kernels/cpu/dense_product.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/cpu/panel_copy.h"

namespace cohort::kernels {
namespace {

constexpr int64_t kPanel = 16;            // columns of the register tile's panel
constexpr int64_t kPanelsAtOnce = 8;      // copied into the L2 cache and met by all rows of a task
constexpr int64_t kStepsAtOnce = 512;     // of a panel, so that its copies stay in the L2 cache
constexpr int64_t kRowsAtOnce = 120;      // ten tiles, which stay in the L2 cache beside the panels
constexpr int64_t kTaskWork = 8 << 20;    // multiply-adds of a task, the last ones excepted,
constexpr int64_t kLeastWork = 1 << 20;   // which are smaller, so that all threads end together
constexpr int64_t kTaskRows = 960;        // fewer would not repay copying the panels
constexpr int64_t kCopyFloats = 1 << 16;  // of a task that copies rows
static_assert(kStepsAtOnce % kChainTerms == 0);

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool IsPairs(const DenseProduct& p) { return p.numerics != Numerics::kFloat32; }
// Elements of a copied row of `depth` numbers: floats, or pairs in the memory of as many floats.
int64_t Steps(const DenseProduct& p, int64_t depth) {
  const int64_t unit = DepthUnit(p.numerics);
  return CeilDiv(depth, unit) * unit / (IsPairs(p) ? 2 : 1);
}
bool NeedsRowCopy(const DenseProduct& p) { return p.a_column != 1 || IsPairs(p); }
int64_t Panels(const DenseProduct& p) { return CeilDiv(p.columns, kPanel); }

// A part of the depth, whole chains but for the end, whose rows are copied side by side.
struct DepthBlock {
  int64_t first, depth;
  int64_t copied_at;   // where the copy of its first row starts in that of a
  int64_t copied_row;  // from one copied row to the next
};

template <class F>
void ForEachDepthBlock(const DenseProduct& p, F f) {
  const int64_t chains = CeilDiv(p.depth, kChainTerms);
  const int64_t blocks = CeilDiv(Steps(p, p.depth), kStepsAtOnce);
  DepthBlock block{};
  for (int64_t i = 0; i < blocks; ++i) {
    block.first = i * chains / blocks * kChainTerms;
    block.depth = std::min((i + 1) * chains / blocks * kChainTerms, p.depth) - block.first;
    // An odd number of cache lines, so that a tile's rows share no set of the L1 cache.
    block.copied_row = (CeilDiv(Steps(p, block.depth), kPanel) | 1) * kPanel;
    f(block);
    block.copied_at += p.rows * block.copied_row;
  }
}

int64_t RowCopyFloats(const DenseProduct& p) {
  int64_t floats = 0;
  if (!NeedsRowCopy(p)) return floats;
  ForEachDepthBlock(
      p, [&](const DepthBlock& block) { floats = block.copied_at + p.rows * block.copied_row; });
  return floats;
}

// The part of a or b with `rows` rows and `depth` columns that starts at `data`, as a copy reads
// it.
struct Source {
  const float* data;
  int64_t row, column;  // strides
};

// to[i * to_row + k] = element (i, k)
void CopyPlain(const Source& from, int64_t rows, int64_t depth, float* to, int64_t to_row) {
  if (from.row == 1) return Transpose(from.data, from.column, rows, depth, to, to_row);
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = from.data + i * from.row;
    if (from.column == 1) {
      std::copy_n(row, depth, to + i * to_row);
    } else {
      for (int64_t k = 0; k < depth; ++k) to[i * to_row + k] = row[k * from.column];
    }
  }
}

constexpr int64_t kTile = 64, kTileDepth = 64;  // of a copy, which stays in the L1 cache
constexpr int64_t kSideBySide = 16;             // rows of memory

// A part of a product's depth, and the pairs that it is completed to.
struct Depth {
  int64_t terms, pairs;
};

// out[i * out_row + k] = the pair of elements (i, 2 k) and (i, 2 k + 1) of contiguous rows; zeros
// after the last.
void RoundRows(const Source& from, const Ops& ops, int64_t rows, Depth depth, uint32_t* out,
               int64_t out_row) {
  for (int64_t i = 0; i < rows; ++i) {
    uint32_t* row = out + i * out_row;
    std::fill(row + depth.terms / 2, row + depth.pairs, 0u);
    ops.round_bf16(from.data + i * from.row, depth.terms, reinterpret_cast<uint16_t*>(row));
  }
}

// out[k * out_row + i] = the pair of elements (i, 2 k) and (i, 2 k + 1) of contiguous columns,
// at most kTile of them; zeros after the last.
void RoundColumns(const Source& from, const Ops& ops, int64_t columns, Depth depth, uint32_t* out,
                  int64_t out_row) {
  constexpr std::array<float, kTile> kNone{};
  for (int64_t k = 0; k < depth.terms; k += 2) {
    const float* even = from.data + k * from.column;
    ops.round_pairs(even, k + 1 < depth.terms ? even + from.column : kNone.data(), columns,
                    out + k / 2 * out_row);
  }
  for (int64_t k = (depth.terms + 1) / 2; k < depth.pairs; ++k) {
    std::fill_n(out + k * out_row, columns, 0u);
  }
}

// RoundRows of any strides, for at most kTile rows.
void CopyPairs(const Source& from, const Ops& ops, int64_t rows, Depth depth, uint32_t* out,
               int64_t out_row) {
  if (from.column == 1) return RoundRows(from, ops, rows, depth, out, out_row);
  alignas(64) std::array<float, kTile * kTileDepth> tile;  // pairs too, which Transpose only moves
  for (int64_t k = 0; k < depth.terms; k += kTileDepth) {
    const Depth part = {std::min(kTileDepth, depth.terms - k),
                        std::min(kTileDepth / 2, depth.pairs - k / 2)};
    const Source source = {from.data + k * from.column, from.row, from.column};
    if (from.row == 1) {
      RoundColumns(source, ops, rows, part, reinterpret_cast<uint32_t*>(tile.data()), kTile);
      Transpose(tile.data(), kTile, rows, part.pairs, reinterpret_cast<float*>(out) + k / 2,
                out_row);
    } else {
      CopyPlain(source, rows, part.terms, tile.data(), kTileDepth);
      RoundRows({tile.data(), kTileDepth, 1}, ops, rows, part, out + k / 2, out_row);
    }
  }
}

// out[k * 16 + c] = the pair of b(16 panel + c, first + 2 k) and the element after it; zero where
// there is no such column or element.
void CopyPairPanel(const Source& b, const Ops& ops, int64_t count, Depth depth, float* out) {
  if (count < kPanel) std::fill(out, out + depth.pairs * kPanel, 0.0f);
  constexpr int64_t kPairs = kTileDepth / 2;
  alignas(64) std::array<float, kPanel * kPairs> rows;  // pairs, which Transpose only moves
  for (int64_t k = 0; k < depth.terms; k += kTileDepth) {
    const Depth part = {std::min(kTileDepth, depth.terms - k),
                        std::min(kPairs, depth.pairs - k / 2)};
    CopyPairs({b.data + k * b.column, b.row, b.column}, ops, count, part,
              reinterpret_cast<uint32_t*>(rows.data()), kPairs);
    Transpose(rows.data(), kPairs, part.pairs, count, out + k / 2 * kPanel, kPanel);
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
      CopyPairPanel({piece.data(), kAtOnce, 1}, ops, window.rows,
                    {window.columns, Steps(p, window.columns)}, out);
    } else {
      if (window.rows < kPanel) std::fill(out, out + window.columns * kPanel, 0.0f);
      Transpose(piece.data(), kAtOnce, window.columns, window.rows, out, kPanel);
    }
    out += Steps(p, window.columns) * kPanel;
  }
}

// Columns 16 panel .. 16 panel + 15 of b^T from row `first` on, `depth` deep, as the tile reads it.
void CopyPart(const DenseProduct& p, const Ops& ops, int64_t panel, const DepthBlock& block,
              float* out) {
  const int64_t count = std::min(kPanel, p.columns - panel * kPanel), depth = block.depth;
  if (p.stored_b.data != nullptr) {
    return CopyStoredPart(p, ops, {panel * kPanel, block.first, count, depth}, out);
  }
  const Source b = {p.b + panel * kPanel * p.b_row + block.first * p.b_column, p.b_row, p.b_column};
  if (IsPairs(p)) return CopyPairPanel(b, ops, count, {depth, Steps(p, depth)}, out);
  if (p.b_row == 1) return CopyPanel(b.data, p.b_column, depth, count, out);
  if (count < kPanel) std::fill(out, out + depth * kPanel, 0.0f);
  if (p.b_column == 1) return Transpose(b.data, p.b_row, depth, count, out, kPanel);
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t c = 0; c < count; ++c) out[k * kPanel + c] = b.data[c * p.b_row + k * p.b_column];
  }
}

// `count` panels from there on, Steps(depth) * 16 apart.
void CopyPanels(const DenseProduct& p, const Ops& ops, int64_t panel, int64_t count,
                const DepthBlock& block, float* out) {
  const int64_t steps = Steps(p, block.depth), size = steps * kPanel;
  int64_t done = 0;
  if (IsPairs(p) && p.stored_b.data == nullptr && p.b_row == 1) {
    // Whole panels side by side in each row of memory, which is read once from end to end.
    done = std::min(count, p.columns / kPanel - panel);
    for (int64_t k = 0; k < 2 * steps; k += kSideBySide) {
      const Depth depth = {std::clamp<int64_t>(block.depth - k, 0, kSideBySide),
                           std::min(kSideBySide / 2, steps - k / 2)};
      for (int64_t i = 0; i < done; ++i) {
        const Source b = {p.b + (panel + i) * kPanel + (block.first + k) * p.b_column, 1,
                          p.b_column};
        RoundColumns(b, ops, kPanel, depth,
                     reinterpret_cast<uint32_t*>(out + i * size + k / 2 * kPanel), kPanel);
      }
    }
  }
  for (; done < count; ++done) CopyPart(p, ops, panel + done, block, out + done * size);
}

// Rows [begin, end) of a, block by block of the depth.
void CopyRows(const DenseProduct& p, const Ops& ops, int64_t begin, int64_t end, float* out) {
  ForEachDepthBlock(p, [&](const DepthBlock& block) {
    for (int64_t row = begin; row < end; row += kTile) {
      const int64_t rows = std::min(kTile, end - row), out_row = block.copied_row;
      const Source a = {p.a + row * p.a_row + block.first * p.a_column, p.a_row, p.a_column};
      float* to = out + block.copied_at + row * out_row;
      if (IsPairs(p)) {
        CopyPairs(a, ops, rows, {block.depth, Steps(p, block.depth)},
                  reinterpret_cast<uint32_t*>(to), out_row);
        continue;
      }
      for (int64_t k = 0; k < block.depth; k += kTileDepth) {
        CopyPlain({a.data + k * a.column, a.row, a.column}, rows,
                  std::min(kTileDepth, block.depth - k), to + k, out_row);
      }
    }
  });
}

// Rows [row, row_end) against the copied panels, `depth` deep. `first`: the sums start here.
void MultiplyRows(const DenseProduct& p, const Ops& ops, TileArgs args, int64_t panel, bool first) {
  args.mode = first && !p.accumulate ? TileMode::kStore : TileMode::kContinue;
  const auto multiply = IsPairs(p) ? PairProduct(ops, p.numerics) : ops.gemm_float;
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

// `copied`: a's rows as CopyRows gives them, where they need a copy.
void MultiplyTask(const DenseProduct& p, const Ops& ops, const Task& task, const float* copied) {
  alignas(64) std::array<float, kPanelsAtOnce * kPanel * kStepsAtOnce> panels;
  const int64_t rows = task.row_end - task.row;
  const int64_t row_blocks = CeilDiv(rows, kRowsAtOnce);
  for (int64_t panel = task.panel; panel < task.panel_end; panel += kPanelsAtOnce) {
    const int64_t count = std::min(kPanelsAtOnce, task.panel_end - panel);
    ForEachDepthBlock(p, [&](const DepthBlock& block) {
      const int64_t steps = Steps(p, block.depth);
      CopyPanels(p, ops, panel, count, block, panels.data());
      const float* a = NeedsRowCopy(p) ? copied + block.copied_at : p.a + block.first;
      const int64_t lda = NeedsRowCopy(p) ? block.copied_row : p.a_row;
      for (int64_t part = 0; part < row_blocks; ++part) {
        const int64_t row = task.row + part * rows / row_blocks;
        MultiplyRows(p, ops,
                     {.a = a + row * lda,
                      .lda = lda,
                      .rows = task.row + (part + 1) * rows / row_blocks - row,
                      .panels = panels.data(),
                      .panel_stride = steps * kPanel,
                      .num_panels = count,
                      .k = steps,
                      .c = p.out + row * p.out_row + panel * kPanel,
                      .ldc = p.out_row,
                      .mode = TileMode::kStore},
                     panel, block.first == 0);
      }
    });
  }
}

void AddTasks(const DenseProduct& p, size_t index, std::vector<Task>* tasks) {
  const int64_t row_blocks = std::max<int64_t>(1, p.rows / kTaskRows);
  const int64_t panel_work = std::max<int64_t>(1, p.rows / row_blocks * p.depth * kPanel);
  const int64_t most = std::max<int64_t>(1, kTaskWork / panel_work / kPanelsAtOnce) * kPanelsAtOnce;
  const int64_t least = std::min(most, CeilDiv(kLeastWork, 2 * panel_work) * 2);
  for (int64_t panel = 0, end; panel < Panels(p); panel = end) {
    const int64_t left = Panels(p) - panel;
    const int64_t chunk = std::clamp(CeilDiv(left, 8) * 2, least, most);
    end = panel + std::min(chunk, left);
    for (int64_t block = 0; block < row_blocks; ++block) {
      tasks->push_back(
          {index, block * p.rows / row_blocks, (block + 1) * p.rows / row_blocks, panel, end});
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
    MultiplyTask(products[task.product], ops, task, copied[task.product]);
  });
}

}  // namespace cohort::kernels
