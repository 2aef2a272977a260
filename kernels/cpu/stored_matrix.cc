#include "kernels/cpu/stored_matrix.h"

#include <algorithm>
#include <array>
#include <bit>

#include "kernels/cpu/e4m3.h"

namespace cohort::kernels {
namespace {

const std::array<float, 256>& E4m3Numbers() {
  static const std::array<float, 256> numbers = [] {
    std::array<float, 256> all;
    for (size_t code = 0; code < all.size(); ++code)
      all[code] = DecodeE4m3(static_cast<uint8_t>(code));
    return all;
  }();
  return numbers;
}

// `count` numbers of a row as it lies, from `column` on.
void ReadRun(const StoredMatrix& m, int64_t row, int64_t column, int64_t count, float* out) {
  if (m.format == MatrixFormat::kBFloat16) {
    const uint16_t* from = static_cast<const uint16_t*>(m.data) + row * m.row_stride + column;
    for (int64_t i = 0; i < count; ++i) {
      out[i] = std::bit_cast<float>(static_cast<uint32_t>(from[i]) << 16);
    }
    return;
  }
  const uint8_t* from = static_cast<const uint8_t*>(m.data) + row * m.row_stride + column;
  const std::array<float, 256>& numbers = E4m3Numbers();
  const int64_t block_row = m.BlockRow(row);
  for (int64_t i = 0; i < count;) {
    const int64_t block = (column + i) / kFp8Tile;
    const int64_t end = std::min(count, (block + 1) * kFp8Tile - column);
    const float scale = m.scales == nullptr ? 1.0f : m.scales[block_row * m.scale_stride + block];
    for (; i < end; ++i) out[i] = numbers[from[i]] * scale;
  }
}

}  // namespace

int64_t StoredMatrix::BlockRow(int64_t row) const {
  const int64_t of_a_part = (part_rows + kFp8Tile - 1) / kFp8Tile;
  return row / part_rows * of_a_part + row % part_rows / kFp8Tile;
}

void ReadMatrix(const StoredMatrix& matrix, const MatrixWindow& window, float* to, int64_t to_row) {
  if (!matrix.transposed) {
    for (int64_t i = 0; i < window.rows; ++i) {
      ReadRun(matrix, window.row + i, window.column, window.columns, to + i * to_row);
    }
    return;
  }
  std::array<float, kFp8Tile> run;
  for (int64_t first = 0; first < window.rows; first += kFp8Tile) {
    const int64_t count = std::min(kFp8Tile, window.rows - first);
    for (int64_t k = 0; k < window.columns; ++k) {
      ReadRun(matrix, window.column + k, window.row + first, count, run.data());
      for (int64_t i = 0; i < count; ++i)
        to[(first + i) * to_row + k] = run[static_cast<size_t>(i)];
    }
  }
}

}  // namespace cohort::kernels
