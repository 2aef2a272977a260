#pragma once

// Copies of plain matrices in the orders that the register tile (ops.h, TileArgs) reads.

#include <cstdint>

namespace cohort::kernels {

// to[i * to_row + k] = from[k * from_row + i] for i < rows, k < depth.
void Transpose(const float* from, int64_t from_row, int64_t rows, int64_t depth, float* to,
               int64_t to_row);

// to[i * to_row + k] = from[i * from_row + k * from_column] for i < rows, k < depth.
void CopyStrided(const float* from, int64_t from_row, int64_t from_column, int64_t rows,
                 int64_t depth, float* to, int64_t to_row);

// Column c of a panel is column c of the matrix from[depth, count]: to[k * 16 + c]; zero for
// count <= c < 16.
void CopyPanel(const float* from, int64_t from_row, int64_t depth, int64_t count, float* to);

}  // namespace cohort::kernels
