#pragma once

// The register tile of the packed matrix product, written once for all vector types. Included by
// ops_*.cc.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "kernels/cpu/ops.h"

namespace cohort::kernels {

// A step of a chain, of the class kFloat32: one term.
template <class Vector, class Weight>
struct OneTerm {
  using A = float;
  using W = Weight;
  static constexpr int64_t kChainSteps = kChainTerms;

  static Vector Broadcast(float a) { return Vector::Broadcast(a); }
  static Vector Load(const float* w) { return Vector::Load(w); }
  static Vector Load(const uint16_t* w) { return Vector::LoadBf16(w); }
  static Vector Accumulate(Vector a, Vector w, Vector sum) { return Vector::Fma(a, w, sum); }
};

// Of the class kBf16Dot: two terms, the odd one first.
template <class Vector>
struct TwoTerms {
  using A = uint32_t;
  using W = uint32_t;
  static constexpr int64_t kChainSteps = kChainTerms / 2;
  struct Pair {
    Vector even, odd;
  };

  static Pair Broadcast(uint32_t a) {
    return {Vector::Broadcast(std::bit_cast<float>(a << 16)),
            Vector::Broadcast(std::bit_cast<float>(a & 0xffff0000u))};
  }
  static Pair Load(const uint32_t* w) { return {Vector::LoadEven(w), Vector::LoadOdd(w)}; }
  static Vector Accumulate(const Pair& a, const Pair& w, Vector sum) {
    return Vector::Fma(a.even, w.even, Vector::Fma(a.odd, w.odd, sum));
  }
};

// Of the class kBf16Amx: chains of their own for even and odd terms, which amx_chains.h sums.
template <class Vector>
struct TwoChains : TwoTerms<Vector> {};
template <class Vector, int kRows, int kPanels>
void ChainsTile(const TileArgs& args, int64_t row, int64_t panel);
// Registers that accumulate one output.
template <class Step>
constexpr int kAccumulators = 1;
template <class Vector>
constexpr int kAccumulators<TwoChains<Vector>> = 2;

// kRows x (kPanels * 16) numbers in memory, which a tile in registers starts from or is added to.
struct HeldTile {
  const float* data;  // null: zeros
  int64_t row;

  template <class Vector>
  Vector Load(int r, int p) const {
    return Vector::Load(data + r * row + p * 16);
  }
};

// sum = start + a w over `steps`, all of one block, in registers.
template <class Vector, class Step, int kRows, int kPanels>
[[gnu::always_inline]] inline void SumBlock(const typename Step::A* a, int64_t lda,
                                            const typename Step::W* w, int64_t stride,
                                            int64_t steps, HeldTile start,
                                            Vector (&sum)[kRows][kPanels]) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) {
      sum[r][p] = start.data != nullptr ? start.Load<Vector>(r, p) : Vector::Broadcast(0.0f);
    }
  }
  for (int64_t k = 0; k < steps; ++k) {
    decltype(Step::Load(w)) weights[kPanels];
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) weights[p] = Step::Load(w + p * stride + k * 16);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const auto x = Step::Broadcast(a[r * lda + k]);
#pragma GCC unroll 16
      for (int p = 0; p < kPanels; ++p) sum[r][p] = Step::Accumulate(x, weights[p], sum[r][p]);
    }
  }
}

template <class Vector, int kRows, int kPanels>
[[gnu::always_inline]] inline void AddHeld(HeldTile held, Vector (&sum)[kRows][kPanels]) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) sum[r][p] = held.Load<Vector>(r, p) + sum[r][p];
  }
}

template <class Vector, int kRows, int kPanels>
[[gnu::always_inline]] inline void StoreTile(const Vector (&sum)[kRows][kPanels], float* out,
                                             int64_t row) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) sum[r][p].Store(out + r * row + p * 16);
  }
}

// kRows x (kPanels * 16) outputs: a block of the depth in registers, and between blocks the sum of
// those before in memory that stays in the L1 cache.
template <class Vector, class Step, int kRows, int kPanels>
void Tile(const TileArgs& args, int64_t row, int64_t panel) {
  const auto* a = static_cast<const typename Step::A*>(args.a) + row * args.lda;
  const auto* w = static_cast<const typename Step::W*>(args.panels) + panel * args.panel_stride;
  float* c = args.c + row * args.ldc + panel * 16;
  const HeldTile none{nullptr, 0}, old{c, args.ldc};
  const HeldTile start = args.mode == TileMode::kExtend ? old : none;
  HeldTile before = args.mode == TileMode::kContinue ? old : none;
  alignas(64) float total[kRows * kPanels * 16];
  Vector sum[kRows][kPanels];
  for (int64_t k = 0;;) {
    const int64_t steps = std::min(Step::kChainSteps, args.k - k);
    SumBlock<Vector, Step>(a + k, args.lda, w + k * 16, args.panel_stride, steps, start, sum);
    if (before.data != nullptr) AddHeld(before, sum);
    k += Step::kChainSteps;
    if (k >= args.k) break;
    StoreTile(sum, total, kPanels * 16);
    before = {total, kPanels * 16};
  }
  if (args.mode == TileMode::kAdd) AddHeld(old, sum);
  StoreTile(sum, c, args.ldc);
}

// kRows rows against panels [begin, end): the widest tile first, then halves of it.
template <class Vector, class Step, int kRows, int kPanels>
void TileStrip(const TileArgs& args, int64_t row, int64_t begin, int64_t end) {
  for (; begin + kPanels <= end; begin += kPanels) {
    if constexpr (kAccumulators<Step> == 2) {
      ChainsTile<Vector, kRows, kPanels>(args, row, begin);
    } else {
      Tile<Vector, Step, kRows, kPanels>(args, row, begin);
    }
  }
  if constexpr (kPanels > 1) {
    if (begin < end) TileStrip<Vector, Step, kRows, kPanels / 2>(args, row, begin, end);
  }
}

using StripFunction = void (*)(const TileArgs&, int64_t row, int64_t begin, int64_t end);

template <class Vector, class Step, int... kRowsLessOne>
constexpr std::array<StripFunction, sizeof...(kRowsLessOne)> StripTable(
    std::integer_sequence<int, kRowsLessOne...>) {
  return {&TileStrip<Vector, Step, kRowsLessOne + 1,
                     Vector::PanelsAtOnce((kRowsLessOne + 1) * kAccumulators<Step>)>...};
}

// A group of panels that stays in the L2 cache meets every row; rows are cut evenly into tiles,
// since a full tile followed by a sliver would leave most of the FMA units idle in the sliver.
template <class Vector, class Step>
void GemmTiles(const TileArgs& args) {
  constexpr int kMaxRows = Vector::kMaxRows / kAccumulators<Step>;
  static constexpr auto kStrips =
      StripTable<Vector, Step>(std::make_integer_sequence<int, kMaxRows>());
  constexpr int64_t kGroupBytes = 192 << 10;
  const int64_t panel_bytes = std::max<int64_t>(1, args.k * 16 * int64_t{sizeof(typename Step::W)});
  const int64_t group = std::max<int64_t>(8, kGroupBytes / panel_bytes / 8 * 8);
  const int64_t tiles = (args.rows + kMaxRows - 1) / kMaxRows;
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
