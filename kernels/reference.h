#pragma once

// Each operation as a plain loop over scalars, to be compared with bit for bit. Slow on purpose.

#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/cpu/fp8_product.h"
#include "kernels/cpu/moe.h"

namespace cohort::kernels {

// c[rows, columns] = a[rows, depth] w[columns, depth]^T: chains of 256 terms of the depth, each
// from 0, whose sums are added in ascending order.
std::vector<float> ReferenceProduct(const std::vector<float>& a, const std::vector<float>& w,
                                    int64_t rows, int64_t columns, int64_t depth);

// The same of operands rounded to bf16, in the steps of the class kBf16Dot (ops.h). Denormals, of
// operands and sums, are zeros; an odd depth ends with a zero.
std::vector<float> ReferencePairProduct(const std::vector<float>& a, const std::vector<float>& w,
                                        int64_t rows, int64_t columns, int64_t depth);

// Likewise in blocks of the class kBf16Amx: 32 terms, even and odd ones a chain each.
std::vector<float> ReferenceAmxProduct(const std::vector<float>& a, const std::vector<float>& w,
                                       int64_t rows, int64_t columns, int64_t depth);

// The same product in the class kFp8Blocks, as fp8_product.h says.
std::vector<float> ReferenceFp8Product(const std::vector<float>& a, const std::vector<float>& w,
                                       int64_t rows, int64_t columns, int64_t depth, Fp8Pass pass);

// The same product, each output summed in 16 lanes, whose chains have 256 terms too (ops.h).
std::vector<float> ReferenceLaneProduct(const std::vector<float>& a, const std::vector<float>& w,
                                        int64_t rows, int64_t columns, int64_t depth);

// What becomes of one head's products before the softmax: as in attention.h.
struct ReferenceScores {
  float scale;
  int64_t first = 0;  // keys before it are not seen
  float soft_cap = 0;
  float sink = -std::numeric_limits<float>::infinity();
};

// One query head: its products with the keys, scores[length], and values [length, value_dim];
// returns [value_dim], sums over the keys in chains of 256.
std::vector<float> ReferenceAttention(std::vector<float> scores, const ReferenceScores& how,
                                      const std::vector<float>& values);

// Gate = rows 0..m-1 and up = rows m..2m-1 of gate_up[2m, width] x, then down[width, m]. Biases
// [2m] and [width], or empty.
struct ReferenceFfn {
  int64_t width, ffn_width;  // m
  std::vector<float> gate_up, down;
  GatedUnit unit = GatedUnit::kSwiGlu;
  std::vector<float> gate_up_bias = {}, down_bias = {};

  std::vector<float> operator()(const std::vector<float>& x) const;
};

}  // namespace cohort::kernels
