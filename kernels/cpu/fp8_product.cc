#include "kernels/cpu/fp8_product.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <vector>

#include "kernels/cpu/panel_copy.h"

namespace cohort::kernels {
namespace {

constexpr int64_t kPanel = 16;                  // columns of the register tile's panel
constexpr int64_t kPairs = kFp8Tile / 2;        // of a tile along K
constexpr int64_t kPanels = kFp8Tile / kPanel;  // of a block of weights
constexpr int64_t kRowsAtOnce = 120;            // whose sums of a block stay in the L2 cache
constexpr int64_t kTaskRows = 480;              // fewer would not repay quantising b
constexpr int64_t kTaskWork = 8 << 20;          // multiply-adds of a task
constexpr int64_t kCopyFloats = 1 << 16;        // of a task that quantises rows of a
constexpr int64_t kTileRows = 16;

constexpr float kActivationFloor = 1e-4f;  // of max|x|: inference/kernel.py, act_quant_kernel
constexpr float kGradientFloor = kLargestE4m3 * std::numeric_limits<float>::min();

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t Blocks(const DenseProduct& p) { return CeilDiv(p.depth, kFp8Tile); }
int64_t CodeFloats(const DenseProduct& p) { return p.rows * Blocks(p) * kPairs; }
// Rounded up, so that every part of the scratch is aligned like its start.
int64_t ScratchFloats(const DenseProduct& p) {
  return CodeFloats(p) + CeilDiv(p.rows * Blocks(p), kPanel) * kPanel;
}

// a in e4m3: codes [rows, blocks, 64 pairs] as bf16, and scales [rows, blocks].
struct QuantizedRows {
  uint32_t* pairs;
  float* scales;
};

using Tile = std::array<float, kFp8Tile * kFp8Tile>;  // rows of a tile along K each

// Rows `rows` of the part of a matrix that starts at `from`, `depth` deep, zeros after them.
void ReadTile(const float* from, int64_t row, int64_t column, int64_t rows, int64_t depth,
              float* tile) {
  if (depth < kFp8Tile) std::fill_n(tile, rows * kFp8Tile, 0.0f);
  CopyStrided(from, row, column, rows, depth, tile, kFp8Tile);
}

// What the scales of an operand's tiles are made of.
struct TileScale {
  float floor;
  Fp8ScaleFormat format;
};

float QuantizeTile(const Ops& ops, const float* tile, const TileScale& how, uint32_t* pairs) {
  const float scale = E4m3Scale(ops.largest_magnitude(tile, kFp8Tile), how.floor, how.format);
  ops.quantize_e4m3(tile, scale, kFp8Tile, reinterpret_cast<uint16_t*>(pairs));
  return scale;
}

void QuantizeRows(const Fp8Product& product, const Ops& ops, int64_t begin, int64_t end,
                  const QuantizedRows& out) {
  const DenseProduct& p = product.product;
  const TileScale how{product.pass == Fp8Pass::kFprop ? kActivationFloor : kGradientFloor,
                      product.scales};
  alignas(64) std::array<float, kTileRows * kFp8Tile> tile;
  for (int64_t row = begin; row < end; row += kTileRows) {
    const int64_t rows = std::min(kTileRows, end - row);
    for (int64_t block = 0; block < Blocks(p); ++block) {
      const int64_t k = block * kFp8Tile;
      ReadTile(p.a + row * p.a_row + k * p.a_column, p.a_row, p.a_column, rows,
               std::min(kFp8Tile, p.depth - k), tile.data());
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t at = (row + i) * Blocks(p) + block;
        out.scales[at] =
            QuantizeTile(ops, tile.data() + i * kFp8Tile, how, out.pairs + at * kPairs);
      }
    }
  }
}

// A block of b: up to 128 columns of the output, 128 along K.
struct QuantizedBlock {
  alignas(
      64) std::array<float, kFp8Tile * kPairs> panels;  // pairs, as the register tile reads them
  alignas(64) std::array<float, kFp8Tile> scales;
};

// To bf16, in place; denormals become zeros.
void RoundTile(const Ops& ops, int64_t rows, float* tile) {
  std::array<uint16_t, kFp8Tile> halves;
  for (int64_t i = 0; i < rows; ++i) {
    float* row = tile + i * kFp8Tile;
    ops.round_bf16(row, kFp8Tile, halves.data());
    for (size_t k = 0; k < halves.size(); ++k) {
      row[k] = std::bit_cast<float>(static_cast<uint32_t>(halves[k]) << 16);
    }
  }
}

float QuantizeWeights(const Ops& ops, Fp8ScaleFormat format, int64_t rows, float* tile,
                      uint32_t* pairs) {
  RoundTile(ops, rows, tile);
  const float largest = ops.largest_magnitude(tile, rows * kFp8Tile);
  const float scale = largest > 0 ? E4m3Scale(largest, 0, format) : 1.0f;
  ops.quantize_e4m3(tile, scale, rows * kFp8Tile, reinterpret_cast<uint16_t*>(pairs));
  return scale;
}

// Weights that are kept in e4m3, with the scale of each column; false where b is none, or a block
// along K has no single scale.
bool TakeStoredBlock(const StoredMatrix& b, const MatrixWindow& window, const Ops& ops,
                     QuantizedBlock* out, uint32_t* pairs) {
  if (b.data == nullptr || b.format != MatrixFormat::kE4m3) return false;
  const int64_t last = window.column + window.columns - 1;
  if (b.transposed && b.BlockRow(window.column) != b.BlockRow(last)) return false;
  for (int64_t i = 0; i < window.rows; ++i) {
    const int64_t block_row = b.BlockRow(b.transposed ? window.column : window.row + i);
    const int64_t block_column = (b.transposed ? window.row + i : window.column) / kFp8Tile;
    out->scales[static_cast<size_t>(i)] = b.scales[block_row * b.scale_stride + block_column];
  }
  StoredMatrix codes = b;
  codes.scales = nullptr;
  alignas(64) Tile tile;
  if (window.columns < kFp8Tile) std::fill_n(tile.data(), window.rows * kFp8Tile, 0.0f);
  ReadMatrix(codes, window, tile.data(), kFp8Tile);
  ops.quantize_e4m3(tile.data(), 1, window.rows * kFp8Tile, reinterpret_cast<uint16_t*>(pairs));
  return true;
}

void QuantizeWindow(const Fp8Product& product, const MatrixWindow& window, const Ops& ops,
                    QuantizedBlock* out, uint32_t* pairs) {
  const DenseProduct& p = product.product;
  alignas(64) Tile tile;
  if (p.stored_b.data != nullptr) {
    if (window.columns < kFp8Tile) std::fill_n(tile.data(), window.rows * kFp8Tile, 0.0f);
    ReadMatrix(p.stored_b, window, tile.data(), kFp8Tile);
  } else {
    ReadTile(p.b + window.row * p.b_row + window.column * p.b_column, p.b_row, p.b_column,
             window.rows, window.columns, tile.data());
  }
  if (product.pass != Fp8Pass::kWgrad) {
    out->scales.fill(QuantizeWeights(ops, product.scales, window.rows, tile.data(), pairs));
    return;
  }
  for (int64_t i = 0; i < window.rows; ++i) {
    out->scales[static_cast<size_t>(i)] = QuantizeTile(
        ops, tile.data() + i * kFp8Tile, {kActivationFloor, product.scales}, pairs + i * kPairs);
  }
}

void QuantizeBlock(const Fp8Product& product, const Ops& ops, int64_t column, int64_t k,
                   QuantizedBlock* out) {
  const DenseProduct& p = product.product;
  const int64_t count = std::min(kFp8Tile, p.columns - column);
  const MatrixWindow window{column, k, count, std::min(kFp8Tile, p.depth - k)};
  alignas(64) std::array<uint32_t, kFp8Tile * kPairs> pairs;
  if (!TakeStoredBlock(p.stored_b, window, ops, out, pairs.data())) {
    QuantizeWindow(product, window, ops, out, pairs.data());
  }
  const int64_t padded = CeilDiv(count, kPanel) * kPanel;
  std::fill_n(pairs.data() + count * kPairs, (padded - count) * kPairs, 0u);
  for (int64_t first = 0; first < padded; first += kPanel) {
    // Transpose only moves pairs.
    Transpose(reinterpret_cast<const float*>(pairs.data()) + first * kPairs, kPairs, kPairs, kPanel,
              out->panels.data() + first * kPairs, kPanel);
  }
}

struct Fp8Task {
  size_t product;
  int64_t row, row_end;
  int64_t column = 0, column_end = 0;
};

// Adds the dots of a block, scaled, to the rows of the output.
void AddBlock(const DenseProduct& p, const Ops& ops, const Fp8Task& task, const QuantizedRows& a,
              const QuantizedBlock& b, int64_t block) {
  alignas(64) std::array<float, kRowsAtOnce * kFp8Tile> dots;
  const int64_t columns = std::min(kFp8Tile, p.columns - task.column), blocks = Blocks(p);
  for (int64_t row = task.row; row < task.row_end; row += kRowsAtOnce) {
    const int64_t rows = std::min(kRowsAtOnce, task.row_end - row);
    ops.gemm_pairs({.a = a.pairs + (row * blocks + block) * kPairs,
                    .lda = blocks * kPairs,
                    .rows = rows,
                    .panels = b.panels.data(),
                    .panel_stride = kPairs * kPanel,
                    .num_panels = CeilDiv(columns, kPanel),
                    .k = kPairs,
                    .c = dots.data(),
                    .ldc = kFp8Tile,
                    .mode = TileMode::kStore});
    for (int64_t i = 0; i < rows; ++i) {
      float* out = p.out + (row + i) * p.out_row + task.column;
      if (block == 0 && !p.accumulate) std::fill_n(out, columns, 0.0f);
      ops.multiply_add_scaled(a.scales[(row + i) * blocks + block], b.scales.data(),
                              dots.data() + i * kFp8Tile, columns, out);
    }
  }
}

void MultiplyTask(const Fp8Product& product, const Ops& ops, Fp8Task task, const QuantizedRows& a) {
  QuantizedBlock b;
  for (; task.column < task.column_end; task.column += kFp8Tile) {
    for (int64_t block = 0; block < Blocks(product.product); ++block) {
      QuantizeBlock(product, ops, task.column, block * kFp8Tile, &b);
      AddBlock(product.product, ops, task, a, b, block);
    }
  }
}

void AddTasks(const DenseProduct& p, size_t index, std::vector<Fp8Task>* tasks) {
  const int64_t row_blocks = std::max<int64_t>(1, p.rows / kTaskRows);
  const int64_t work = std::max<int64_t>(1, p.rows / row_blocks * p.depth * kFp8Tile);
  const int64_t chunk = std::max<int64_t>(1, kTaskWork / work) * kFp8Tile;
  for (int64_t column = 0; column < p.columns; column += chunk) {
    for (int64_t block = 0; block < row_blocks; ++block) {
      tasks->push_back({index, block * p.rows / row_blocks, (block + 1) * p.rows / row_blocks,
                        column, std::min(column + chunk, p.columns)});
    }
  }
}

void ClearOutput(const DenseProduct& p) {
  for (int64_t row = 0; !p.accumulate && row < p.rows; ++row) {
    std::fill_n(p.out + row * p.out_row, p.columns, 0.0f);
  }
}

}  // namespace

int64_t Fp8ScratchFloats(std::span<const Fp8Product> products) {
  int64_t floats = 0;
  for (const Fp8Product& p : products) floats += ScratchFloats(p.product);
  return floats;
}

void MultiplyFp8(std::span<const Fp8Product> products, const Ops& ops, float* scratch,
                 const ParallelTasks& parallel) {
  std::vector<QuantizedRows> quantized;
  std::vector<Fp8Task> copies, tasks;
  for (size_t i = 0; i < products.size(); ++i) {
    const DenseProduct& p = products[i].product;
    quantized.push_back({reinterpret_cast<uint32_t*>(scratch), scratch + CodeFloats(p)});
    scratch += ScratchFloats(p);
    if (p.rows == 0 || p.columns == 0) continue;
    if (p.depth == 0) {
      ClearOutput(p);
      continue;
    }
    const int64_t at_once = std::max<int64_t>(1, kCopyFloats / p.depth / kTileRows) * kTileRows;
    for (int64_t row = 0; row < p.rows; row += at_once) {
      copies.push_back({i, row, std::min(row + at_once, p.rows)});
    }
    AddTasks(p, i, &tasks);
  }
  parallel(static_cast<int64_t>(copies.size()), [&](int64_t n) {
    const Fp8Task& task = copies[static_cast<size_t>(n)];
    QuantizeRows(products[task.product], ops, task.row, task.row_end, quantized[task.product]);
  });
  parallel(static_cast<int64_t>(tasks.size()), [&](int64_t n) {
    const Fp8Task& task = tasks[static_cast<size_t>(n)];
    MultiplyTask(products[task.product], ops, task, quantized[task.product]);
  });
}

}  // namespace cohort::kernels
