#pragma once

// Copies of plain matrices in the orders that the register tile (ops.h, TileArgs) reads.

#include <cstdint>

namespace cohort::kernels {

// How far apart rows of so many pairs of bf16 numbers lie: whole cache lines (of 16) are an odd
// number of them, else the 16 rows that a tile reads at once may all fall on one set of the L1
// cache.
constexpr int64_t PairRowStride(int64_t pairs) { return pairs % 16 == 0 ? pairs | 16 : pairs; }

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
