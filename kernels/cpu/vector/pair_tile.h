#pragma once

// Products of the bf16 classes, and how numbers become the pairs that they read. Included by
// ops_*.cc.

#include <cstdint>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "kernels/cpu/vector/amx_chains.h"
#include "kernels/cpu/vector/gemm_tile.h"
#include "kernels/cpu/vector/vector_math.h"

namespace cohort::kernels {

// While it lives, this thread's fused multiply-adds take denormals for zeros and give zeros for
// them, as VDPBF16PS and TDPBF16PS always do. A CPU without SSE keeps sums below 1.2e-38.
class NoDenormals {
 public:
#if defined(__SSE__)
  NoDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040u); }
  ~NoDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#else
  NoDenormals() {}
  ~NoDenormals() {}
#endif
};

template <class Vector, class Step>
void PairTiles(const TileArgs& args) {
  const NoDenormals no_denormals;
  GemmTiles<Vector, Step>(args);
}

template <class Vector>
void RoundBf16(const float* x, int64_t n, uint16_t* out) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) Vector::Load(x + i).StoreBf16(out + i);
  if (i == n) return;
  uint16_t rest[16];
  LoadPart<Vector>(x + i, n - i).StoreBf16(rest);
  std::copy_n(rest, n - i, out + i);
}

template <class Vector>
void RoundPairs(const float* even, const float* odd, int64_t n, uint32_t* out) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    Vector::StorePairs(Vector::Load(even + i), Vector::Load(odd + i), out + i);
  }
  if (i == n) return;
  uint32_t rest[16];
  Vector::StorePairs(LoadPart<Vector>(even + i, n - i), LoadPart<Vector>(odd + i, n - i), rest);
  std::copy_n(rest, n - i, out + i);
}

}  // namespace cohort::kernels
