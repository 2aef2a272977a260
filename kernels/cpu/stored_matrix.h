#pragma once

// Matrices that are kept in fewer bits than fp32, for products that read them piece by piece: no
// fp32 copy of the whole is made.

#include <cstdint>

namespace cohort::kernels {

enum class MatrixFormat { kBFloat16, kE4m3 };

// Numbers by rows. Of e4m3 (e4m3.h) each is multiplied by the scale of its block of 128 x 128;
// blocks start anew every `part_rows` rows, those at the edges being smaller, so that a matrix may
// be several ones below each other.
struct StoredMatrix {
  const void* data = nullptr;  // uint16_t holding bf16, or uint8_t; null: there is none
  MatrixFormat format = MatrixFormat::kBFloat16;
  int64_t row_stride = 0;         // numbers from row to row
  bool transposed = false;        // what is read as element (i, k) lies in row k, column i
  const float* scales = nullptr;  // [row of blocks, column of blocks]; null: all are 1
  int64_t scale_stride = 0;
  int64_t part_rows = 0;

  // The row of blocks that a row of the matrix, as it lies, belongs to.
  int64_t BlockRow(int64_t row) const;
};

// A part of a matrix, as it is read.
struct MatrixWindow {
  int64_t row, column, rows, columns;
};

// to[i * to_row + k] = element (window.row + i, window.column + k)
void ReadMatrix(const StoredMatrix& matrix, const MatrixWindow& window, float* to, int64_t to_row);

}  // namespace cohort::kernels
