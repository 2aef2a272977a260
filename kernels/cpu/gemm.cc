#include "kernels/cpu/gemm.h"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cpu/panel_copy.h"

namespace cohort::kernels {

namespace {

uint16_t RoundToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);  // NaN
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

constexpr int64_t kTileDepth = 64;  // even; a tile of a panel stays in the first-level cache

// [depth, kPanelColumns], an odd last row completed by the next, as Storage::kBf16Pairs has it.
void RoundPairs(const float* tile, int64_t depth, uint16_t* out) {
  for (int64_t k = 0; k < depth; k += 2, tile += 2 * kPanelColumns, out += 2 * kPanelColumns) {
    for (int64_t column = 0; column < kPanelColumns; ++column) {
      out[2 * column] = RoundToBf16(tile[column]);
      out[2 * column + 1] = RoundToBf16(tile[kPanelColumns + column]);
    }
  }
}

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

void Require(bool condition, const char* message) {
  if (!condition) throw std::invalid_argument(message);
}

constexpr int64_t kRowsInCache = 120;
constexpr int64_t kTasksPerThread = 4;
constexpr int64_t kSerialWork = 100'000;  // multiply-adds: about the price of waking a thread

struct Split {
  int64_t row_blocks;
  int64_t panel_chunk;
};

// Row blocks keep a's rows in the L2 cache; panels are cut so that every thread has some tasks to
// take.
Split SplitProduct(const Product& product, int threads) {
  const PackedMatrix& w = *product.weights;
  const int64_t panels = w.panels();
  const int64_t row_blocks = CeilDiv(product.rows, kRowsInCache);
  if (threads == 1 || product.rows * panels * kPanelColumns * w.depth() < kSerialWork) {
    return {row_blocks, panels};
  }
  const int64_t chunks = std::max<int64_t>(1, CeilDiv(threads * kTasksPerThread, row_blocks));
  int64_t chunk = CeilDiv(panels, chunks);
  chunk = chunk >= 4 ? CeilDiv(chunk, 4) * 4 : chunk >= 2 ? 2 : product.gated_out ? 2 : 1;
  return {row_blocks, chunk};
}

int64_t StoredDepth(Storage storage, int64_t depth) {
  return storage == Storage::kBf16Pairs ? depth + depth % 2 : depth;
}

// Rows of a as pairs, the last odd one completed by zero. On this thread until the next call.
const uint32_t* RoundRows(const Ops& ops, const float* a, int64_t lda, int64_t rows,
                          int64_t depth) {
  thread_local std::vector<uint32_t> pairs;
  const int64_t row_pairs = (depth + 1) / 2;
  if (std::ssize(pairs) < rows * row_pairs) pairs.resize(static_cast<size_t>(rows * row_pairs));
  for (int64_t row = 0; row < rows; ++row) {
    uint32_t* out = pairs.data() + row * row_pairs;
    if (depth % 2 == 1) out[row_pairs - 1] = 0;
    ops.round_bf16(a + row * lda, depth, reinterpret_cast<uint16_t*>(out));
  }
  return pairs.data();
}

}  // namespace

PackedMatrix::PackedMatrix(int64_t columns, int64_t depth, Storage storage)
    : columns_(columns), depth_(depth), storage_(storage) {
  Require(columns >= 1 && depth >= 1, "PackedMatrix: columns and depth must be at least 1");
  const int64_t width = storage == Storage::kFloat32 ? 4 : 2;
  buffer_ =
      HugeBuffer(static_cast<size_t>(PadToPanel(columns) * StoredDepth(storage, depth) * width));
}

void PackedMatrix::PackPanel(int64_t panel, const float* rows, int64_t ld, int64_t count,
                             int64_t values) {
  Require(panel >= 0 && panel < panels(), "PackedMatrix::PackPanel: no such panel");
  Require(count >= 1 && count <= kPanelColumns && values <= depth_,
          "PackedMatrix::PackPanel: bad shape");
  if (storage_ == Storage::kFloat32) {
    Transpose(rows, ld, values, count, buffer_.floats() + IndexOf(panel, 0, 0), kPanelColumns);
    return;
  }
  const bool pairs = IndexOf(panel, 1, 0) == IndexOf(panel, 0, 0) + 1;
  alignas(64) float tile[kTileDepth * kPanelColumns] = {};  // columns beyond `count` stay zero
  for (int64_t k = 0; k < values; k += kTileDepth) {
    const int64_t depth = std::min(kTileDepth, values - k);
    if (depth < kTileDepth) std::fill_n(tile + depth * kPanelColumns, kPanelColumns, 0.0F);
    Transpose(rows + k, ld, depth, count, tile, kPanelColumns);
    uint16_t* out = buffer_.halves() + IndexOf(panel, k, 0);
    if (pairs) {
      RoundPairs(tile, depth, out);
    } else {
      for (int64_t i = 0; i < depth * kPanelColumns; ++i) out[i] = RoundToBf16(tile[i]);
    }
  }
}

int64_t PackedMatrix::IndexOf(int64_t panel, int64_t k, int64_t column) const {
  const int64_t first = panel * StoredDepth(storage_, depth_) * kPanelColumns;
  if (storage_ != Storage::kBf16Pairs) return first + k * kPanelColumns + column;
  return first + (k / 2 * kPanelColumns + column) * 2 + k % 2;
}

void PackedMatrix::ReadColumn(int64_t column, float* out) const {
  Require(column >= 0 && column < columns_, "PackedMatrix::ReadColumn: no such column");
  for (int64_t k = 0; k < depth_; ++k) {
    const int64_t at = IndexOf(column / kPanelColumns, k, column % kPanelColumns);
    out[k] = storage_ == Storage::kFloat32
                 ? buffer_.floats()[at]
                 : std::bit_cast<float>(static_cast<uint32_t>(buffer_.halves()[at]) << 16);
  }
}

const void* PackedMatrix::panel(int64_t index) const {
  const int64_t at = IndexOf(index, 0, 0);
  if (storage_ == Storage::kFloat32) return buffer_.floats() + at;
  return buffer_.halves() + at;
}

void MultiplyPart(const Ops& ops, const Product& product, const ProductPart& part) {
  const PackedMatrix& w = *product.weights;
  const int64_t column = (part.panel_begin - part.first_panel) * kPanelColumns;
  const int64_t rows = part.row_end - part.row_begin;
  const int64_t panels = part.panel_end - part.panel_begin;
  if (rows <= 0 || panels <= 0) return;
  float* c = product.c + part.row_begin * product.ldc + column;
  TileArgs args{.a = product.a + part.row_begin * product.lda,
                .lda = product.lda,
                .rows = rows,
                .panels = w.panel(part.panel_begin),
                .panel_stride = w.depth() * kPanelColumns,
                .num_panels = panels,
                .k = w.depth(),
                .c = c,
                .ldc = product.ldc,
                .mode = product.mode};
  if (w.storage() == Storage::kBf16Pairs) {
    args.a = RoundRows(ops, product.a + part.row_begin * product.lda, product.lda, rows, w.depth());
    args.lda = args.k = (w.depth() + 1) / 2;
    args.panel_stride = args.k * kPanelColumns;
    ops.gemm_pairs(args);
  } else {
    (w.storage() == Storage::kFloat32 ? ops.gemm_float : ops.gemm_bf16)(args);
  }
  for (int64_t row = 0; product.bias != nullptr && row < rows; ++row) {
    ops.add(product.bias + part.panel_begin * kPanelColumns, panels * kPanelColumns,
            c + row * product.ldc);
  }
  for (int64_t row = 0; product.gated_out != nullptr && row < rows; ++row) {
    const float* gate = c + row * product.ldc;
    ops.gated_unit({.unit = product.unit,
                    .gate = gate,
                    .up = gate + kPanelColumns,
                    .n = panels / 2 * kPanelColumns,
                    .step = 2 * kPanelColumns},
                   product.gated_out + (part.row_begin + row) * product.ld_gated + column / 2);
  }
}

void Multiply(ThreadPool& pool, const Ops& ops, const Product& product) {
  Require(product.weights != nullptr && product.weights->depth() > 0, "Multiply: no weights");
  const PackedMatrix& w = *product.weights;
  Require(product.lda >= w.depth(), "Multiply: lda is shorter than a row of a");
  Require(product.ldc >= w.panels() * kPanelColumns,
          "Multiply: ldc is shorter than the padded columns");
  if (product.gated_out != nullptr) {
    Require(w.panels() % 2 == 0, "Multiply: gated_out wants gate and up panels in pairs");
    Require(product.ld_gated >= w.panels() / 2 * kPanelColumns, "Multiply: ld_gated is too short");
  }
  const Split split = SplitProduct(product, pool.size());
  const int64_t chunks = CeilDiv(w.panels(), split.panel_chunk);
  pool.ParallelFor(split.row_blocks * chunks, [&](int64_t task, int) {
    const int64_t block = task / chunks, chunk = task % chunks;
    MultiplyPart(ops, product,
                 {.row_begin = block * product.rows / split.row_blocks,
                  .row_end = (block + 1) * product.rows / split.row_blocks,
                  .panel_begin = chunk * split.panel_chunk,
                  .panel_end = std::min((chunk + 1) * split.panel_chunk, w.panels())});
  });
}

void MultiplyCopies(ThreadPool& pool, const Ops& ops, const Product& product,
                    const Copies& copies) {
  Require(product.weights != nullptr && copies.count >= 1 && product.gated_out == nullptr,
          "MultiplyCopies: no weights or no copies");
  const PackedMatrix& w = *product.weights;
  Require(w.panels() % copies.count == 0, "MultiplyCopies: weights are not copies of whole panels");
  const int64_t panels = w.panels() / copies.count;
  const int64_t last = copies.count - 1;
  Require(product.lda >= last * copies.a_stride + w.depth(),
          "MultiplyCopies: lda is shorter than a row of a");
  Require(copies.c_stride >= panels * kPanelColumns &&
              product.ldc >= last * copies.c_stride + panels * kPanelColumns,
          "MultiplyCopies: c is shorter than the padded columns");
  const int64_t blocks = CeilDiv(product.rows, kRowsInCache);
  const bool serial = product.rows * w.panels() * kPanelColumns * w.depth() < kSerialWork;
  const int64_t runs = serial ? 1 : std::min<int64_t>(copies.count, pool.size() * kTasksPerThread);
  pool.ParallelFor(blocks * runs, [&](int64_t task, int) {
    const int64_t block = task / runs, run = task % runs;
    const int64_t end = (run + 1) * copies.count / runs;
    for (int64_t copy = run * copies.count / runs; copy < end; ++copy) {
      Product one = product;
      one.a += copy * copies.a_stride;
      one.c += copy * copies.c_stride;
      MultiplyPart(ops, one,
                   {.row_begin = block * product.rows / blocks,
                    .row_end = (block + 1) * product.rows / blocks,
                    .panel_begin = copy * panels,
                    .panel_end = (copy + 1) * panels,
                    .first_panel = copy * panels});
    }
  });
}

}  // namespace cohort::kernels
