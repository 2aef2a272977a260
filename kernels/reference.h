#pragma once

// Each operation as a plain loop over scalars, to be compared with bit for bit. Slow on purpose.

#include <cstdint>
#include <vector>

#include "kernels/cpu/moe.h"

namespace cohort::kernels {

// c[rows, columns] = a[rows, depth] w[columns, depth]^T: chains of 256 terms of the depth, each
// from 0, whose sums are added in ascending order.
std::vector<float> ReferenceProduct(const std::vector<float>& a, const std::vector<float>& w,
                                    int64_t rows, int64_t columns, int64_t depth);

// The same product, each output summed in 16 lanes, whose chains have 256 terms too (ops.h).
std::vector<float> ReferenceLaneProduct(const std::vector<float>& a, const std::vector<float>& w,
                                        int64_t rows, int64_t columns, int64_t depth);

// One query head: its products with the keys, scores[length], and values [length, value_dim];
// returns [value_dim], sums over the keys in chains of 256. Keys before `first` are not seen.
std::vector<float> ReferenceAttention(std::vector<float> scores, float scale,
                                      const std::vector<float>& values, int64_t first = 0);

// silu(gate) * up with gate = rows 0..m-1 and up = rows m..2m-1 of gate_up[2m, width], then
// down[width, m].
std::vector<float> ReferenceFfn(const std::vector<float>& x, const std::vector<float>& gate_up,
                                const std::vector<float>& down, int64_t width, int64_t ffn_width);

}  // namespace cohort::kernels
