#pragma once

// The register tile of products between rows that both run along the lanes, written once for all
// vector types. Included by ops_*.cc.

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/ops.h"

namespace cohort::kernels {

// sum = a times tokens over `count` panels, all of one block, in registers, 16 lanes each.
template <class Vector, int kRows, int kTokens>
[[gnu::always_inline]] inline void SumPanels(const float* a, int64_t lda, const float* panels,
                                             int64_t stride, int64_t count,
                                             Vector (&sum)[kRows][kTokens]) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t) sum[r][t] = Vector::Broadcast(0.0f);
  }
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
}

// kRows x kTokens outputs over all panels; between blocks the sum of those before is in memory.
template <class Vector, int kRows, int kTokens>
void DotTile(const DotArgs& args, int64_t row, int64_t token) {
  const float* a = args.a + row * args.lda;
  const float* panels = args.panels + token * 16;
  alignas(64) float total[kRows * kTokens * 16];
  HeldTile before{nullptr, 0};
  Vector sum[kRows][kTokens];
  for (int64_t p = 0;;) {
    const int64_t count = std::min(kChainTerms, args.num_panels - p);
    SumPanels(a + p * 16, args.lda, panels + p * args.panel_stride, args.panel_stride, count, sum);
    if (before.data != nullptr) AddHeld(before, sum);
    p += kChainTerms;
    if (p >= args.num_panels) break;
    StoreTile(sum, total, kTokens * 16);
    before = {total, kTokens * 16};
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
