#pragma once

// The register tile of products between rows that both run along the lanes, written once for all
// vector types. Included by ops_*.cc.

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "kernels/cpu/ops.h"
#include "kernels/cpu/vector/lane_sum.h"

namespace cohort::kernels {

// Rows of more than one chain in a lane, one output at a time: no model's heads are so wide.
template <class Vector>
void LongDots(const DotArgs& args, int64_t row, int64_t rows, int64_t token, int64_t tokens) {
  for (int64_t i = 0; i < rows * tokens; ++i) {
    const float* a = args.a + (row + i / tokens) * args.lda;
    const float* panels = args.panels + (token + i % tokens) * 16;
    LaneSum<Vector> sum;
    const auto add = [&](int64_t k) {
      sum.AddProduct(Vector::Load(a + k), Vector::Load(panels + k / 16 * args.panel_stride));
    };
    SumOverRow(args.num_panels * 16, add, sum);
    args.c[(row + i / tokens) * args.ldc + token + i % tokens] = sum.Total();
  }
}

// kRows x kTokens outputs in registers, 16 lanes each, over all panels.
template <class Vector, int kRows, int kTokens>
void DotTile(const DotArgs& args, int64_t row, int64_t token) {
  if (args.num_panels > kChainTerms) return LongDots<Vector>(args, row, kRows, token, kTokens);
  const float* a = args.a + row * args.lda;
  const float* panels = args.panels + token * 16;
  Vector sum[kRows][kTokens];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t) sum[r][t] = Vector::Broadcast(0.0f);
  }
  const int64_t lda = args.lda, stride = args.panel_stride, count = args.num_panels;
  for (int64_t p = 0; p < count; ++p) {
    Vector right[kTokens];
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t) right[t] = Vector::Load(panels + p * stride + t * 16);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vector left = Vector::Load(a + r * lda + p * 16);
#pragma GCC unroll 16
      for (int t = 0; t < kTokens; ++t) sum[r][t] = Vector::Fma(left, right[t], sum[r][t]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    float* c = args.c + (row + r) * args.ldc + token;
    if constexpr (kTokens % 4 == 0) {
#pragma GCC unroll 16
      for (int t = 0; t < kTokens; t += 4) Vector::SumFour(sum[r] + t, c + t);
    } else {
#pragma GCC unroll 16
      for (int t = 0; t < kTokens; ++t) c[t] = Vector::Sum(sum[r][t]);
    }
  }
}

// kRows rows against tokens [begin, end): the widest tile first, then halves of it.
template <class Vector, int kRows, int kTokens>
void DotStrip(const DotArgs& args, int64_t row, int64_t begin, int64_t end) {
  for (; begin + kTokens <= end; begin += kTokens) {
    DotTile<Vector, kRows, kTokens>(args, row, begin);
  }
  if constexpr (kTokens > 1) {
    if (begin < end) DotStrip<Vector, kRows, kTokens / 2>(args, row, begin, end);
  }
}

using DotStripFunction = void (*)(const DotArgs&, int64_t row, int64_t begin, int64_t end);

template <class Vector, int... kRowsLessOne>
constexpr std::array<DotStripFunction, sizeof...(kRowsLessOne)> DotStripTable(
    std::integer_sequence<int, kRowsLessOne...>) {
  return {&DotStrip<Vector, kRowsLessOne + 1, Vector::TokensAtOnce(kRowsLessOne + 1)>...};
}

// Some tokens that stay in the L1 cache meet every row; rows are cut evenly into tiles.
template <class Vector>
void DotTiles(const DotArgs& args) {
  static constexpr auto kStrips =
      DotStripTable<Vector>(std::make_integer_sequence<int, Vector::kMaxDotRows>());
  constexpr int64_t kTokensInCache = 8;
  const int64_t tiles = (args.rows + Vector::kMaxDotRows - 1) / Vector::kMaxDotRows;
  for (int64_t begin = 0; begin < args.tokens; begin += kTokensInCache) {
    const int64_t end = std::min(begin + kTokensInCache, args.tokens);
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t row = tile * args.rows / tiles;
      const int64_t next = (tile + 1) * args.rows / tiles;
      kStrips[static_cast<size_t>(next - row - 1)](args, row, begin, end);
    }
  }
}

}  // namespace cohort::kernels
