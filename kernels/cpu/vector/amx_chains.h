#pragma once

// Products of the class kBf16Amx on any CPU. Included by ops_*.cc.

#include <algorithm>

#include "kernels/cpu/vector/gemm_tile.h"

namespace cohort::kernels {

constexpr int64_t kAmxPairs = DepthUnit(Numerics::kBf16Amx) / 2;  // of a block

// even, odd = the chains of the block of pairs that starts at a and w, in registers.
template <class Vector, int kRows, int kPanels>
[[gnu::always_inline]] inline void SumChains(const uint32_t* a, int64_t lda, const uint32_t* w,
                                             int64_t stride, Vector (&even)[kRows][kPanels],
                                             Vector (&odd)[kRows][kPanels]) {
  using Terms = TwoTerms<Vector>;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) even[r][p] = odd[r][p] = Vector::Broadcast(0.0f);
  }
  for (int64_t k = 0; k < kAmxPairs; ++k) {
    typename Terms::Pair weights[kPanels];
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) weights[p] = Terms::Load(w + p * stride + k * 16);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const auto x = Terms::Broadcast(a[r * lda + k]);
#pragma GCC unroll 16
      for (int p = 0; p < kPanels; ++p) {
        even[r][p] = Vector::Fma(x.even, weights[p].even, even[r][p]);
        odd[r][p] = Vector::Fma(x.odd, weights[p].odd, odd[r][p]);
      }
    }
  }
}

// kRows x (kPanels * 16) outputs: the chains of a block in registers, the sum of the blocks before
// it in memory that stays in the L1 cache, as a tile of AMX holds it.
template <class Vector, int kRows, int kPanels>
void ChainsTile(const TileArgs& args, int64_t row, int64_t panel) {
  const uint32_t* a = static_cast<const uint32_t*>(args.a) + row * args.lda;
  const uint32_t* w = static_cast<const uint32_t*>(args.panels) + panel * args.panel_stride;
  float* c = args.c + row * args.ldc + panel * 16;
  alignas(64) float total[kRows][kPanels * 16] = {};
  for (int r = 0; args.mode == TileMode::kContinue && r < kRows; ++r) {
    std::copy_n(c + r * args.ldc, kPanels * 16, total[r]);
  }
  Vector even[kRows][kPanels], odd[kRows][kPanels];
  for (int64_t k = 0; k < args.k; k += kAmxPairs) {
    SumChains<Vector>(a + k, args.lda, w + k * 16, args.panel_stride, even, odd);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int p = 0; p < kPanels; ++p) {
        (Vector::Load(total[r] + p * 16) + (even[r][p] + odd[r][p])).Store(total[r] + p * 16);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) {
      float* out = c + r * args.ldc + p * 16;
      const Vector sum = Vector::Load(total[r] + p * 16);
      (args.mode == TileMode::kAdd ? Vector::Load(out) + sum : sum).Store(out);
    }
  }
}

}  // namespace cohort::kernels
