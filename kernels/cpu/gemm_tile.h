#pragma once

// The register tile of the packed matrix product, written once for all vector types. Included by
// ops_*.cc.

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/cpu/ops.h"

namespace cohort::kernels {

template <class Vector>
inline Vector LoadWeights(const float* p) {
  return Vector::Load(p);
}
template <class Vector>
inline Vector LoadWeights(const uint16_t* p) {
  return Vector::LoadBf16(p);
}

// kRows x (kPanels * 16) outputs in registers over the whole of k.
template <class Vector, class Weight, int kRows, int kPanels>
void Tile(const TileArgs& args, int64_t row, int64_t panel) {
  const float* a = args.a + row * args.lda;
  const Weight* w = static_cast<const Weight*>(args.panels) + panel * args.panel_stride;
  float* c = args.c + row * args.ldc + panel * 16;
  Vector sum[kRows][kPanels];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) {
      sum[r][p] = args.mode == TileMode::kContinue ? Vector::Load(c + r * args.ldc + p * 16)
                                                   : Vector::Broadcast(0.0f);
    }
  }
  const int64_t lda = args.lda, stride = args.panel_stride, depth = args.k;
  for (int64_t k = 0; k < depth; ++k) {
    Vector weights[kPanels];
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) weights[p] = LoadWeights<Vector>(w + p * stride + k * 16);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vector x = Vector::Broadcast(a[r * lda + k]);
#pragma GCC unroll 16
      for (int p = 0; p < kPanels; ++p) sum[r][p] = Vector::Fma(x, weights[p], sum[r][p]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) {
      float* out = c + r * args.ldc + p * 16;
      if (args.mode == TileMode::kAdd) sum[r][p] = Vector::Load(out) + sum[r][p];
      sum[r][p].Store(out);
    }
  }
}

// kRows rows against panels [begin, end): the widest tile first, then halves of it.
template <class Vector, class Weight, int kRows, int kPanels>
void TileStrip(const TileArgs& args, int64_t row, int64_t begin, int64_t end) {
  for (; begin + kPanels <= end; begin += kPanels) {
    Tile<Vector, Weight, kRows, kPanels>(args, row, begin);
  }
  if constexpr (kPanels > 1) {
    if (begin < end) TileStrip<Vector, Weight, kRows, kPanels / 2>(args, row, begin, end);
  }
}

template <class Vector, class Weight>
using StripFunction = void (*)(const TileArgs&, int64_t row, int64_t begin, int64_t end);

template <class Vector, class Weight, int... kRowsLessOne>
constexpr std::array<StripFunction<Vector, Weight>, sizeof...(kRowsLessOne)> StripTable(
    std::integer_sequence<int, kRowsLessOne...>) {
  return {&TileStrip<Vector, Weight, kRowsLessOne + 1, Vector::PanelsAtOnce(kRowsLessOne + 1)>...};
}

// A group of panels that stays in the L2 cache meets every row; rows are cut evenly into tiles,
// since a full tile followed by a sliver would leave most of the FMA units idle in the sliver.
template <class Vector, class Weight>
void GemmTiles(const TileArgs& args) {
  static constexpr auto kStrips =
      StripTable<Vector, Weight>(std::make_integer_sequence<int, Vector::kMaxRows>());
  constexpr int64_t kGroupBytes = 192 << 10;
  const int64_t panel_bytes = std::max<int64_t>(1, args.k * 16 * int64_t{sizeof(Weight)});
  const int64_t group = std::max<int64_t>(8, kGroupBytes / panel_bytes / 8 * 8);
  const int64_t tiles = (args.rows + Vector::kMaxRows - 1) / Vector::kMaxRows;
  for (int64_t begin = 0; begin < args.num_panels; begin += group) {
    const int64_t end = std::min(begin + group, args.num_panels);
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t row = tile * args.rows / tiles;
      const int64_t next = (tile + 1) * args.rows / tiles;
      kStrips[static_cast<size_t>(next - row - 1)](args, row, begin, end);
    }
  }
}

}  // namespace cohort::kernels
