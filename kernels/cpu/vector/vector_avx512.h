#pragma once

// Sixteen lanes of fp32 in one 512-bit register. Included by ops_avx512.cc only.

#include <immintrin.h>

#include <cstdint>

namespace cohort::kernels {

struct Avx512Vector {
  // At most 24 of 32 registers accumulate; at least 8 chains hide the FMA latency.
  static constexpr int kMaxRows = 12;
  static constexpr int PanelsAtOnce(int rows) { return rows <= 3 ? 8 : rows <= 6 ? 4 : 2; }
  static constexpr int kMaxDotRows = 6;
  static constexpr int TokensAtOnce(int rows) { return rows <= 2 ? 8 : 4; }

  __m512 v;

  static Avx512Vector Broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static Avx512Vector Load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Avx512Vector LoadBf16(const uint16_t* p) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
  }
  static Avx512Vector LoadEven(const uint32_t* p) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16))};
  }
  static Avx512Vector LoadOdd(const uint32_t* p) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), upper))};
  }
  void Store(float* p) const { _mm512_storeu_ps(p, v); }
  void StoreBf16(uint16_t* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtepi32_epi16(_mm512_srli_epi32(RoundedBits(v), 16)));
  }
  static void StorePairs(Avx512Vector even, Avx512Vector odd, uint32_t* p) {
    _mm512_storeu_si512(
        p, _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_srli_epi32(RoundedBits(even.v), 16),
                                   RoundedBits(odd.v)));
  }
  static Avx512Vector Fma(Avx512Vector a, Avx512Vector b, Avx512Vector c) {
    return {_mm512_fmadd_ps(a.v, b.v, c.v)};
  }
  friend Avx512Vector operator+(Avx512Vector a, Avx512Vector b) {
    return {_mm512_add_ps(a.v, b.v)};
  }
  friend Avx512Vector operator-(Avx512Vector a, Avx512Vector b) {
    return {_mm512_sub_ps(a.v, b.v)};
  }
  friend Avx512Vector operator*(Avx512Vector a, Avx512Vector b) {
    return {_mm512_mul_ps(a.v, b.v)};
  }
  friend Avx512Vector operator/(Avx512Vector a, Avx512Vector b) {
    return {_mm512_div_ps(a.v, b.v)};
  }
  static Avx512Vector Sqrt(Avx512Vector a) { return {_mm512_sqrt_ps(a.v)}; }
  static Avx512Vector Max(Avx512Vector a, Avx512Vector b) { return {_mm512_max_ps(a.v, b.v)}; }
  static Avx512Vector Min(Avx512Vector a, Avx512Vector b) { return {_mm512_min_ps(a.v, b.v)}; }
  static Avx512Vector Round(Avx512Vector a) {
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  static Avx512Vector PowerOfTwo(Avx512Vector n) {
    const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
  }
  static Avx512Vector PowerBelow(Avx512Vector a) {
    const __m512i exponent = _mm512_set1_epi32(0x7f800000);
    return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a.v), exponent))};
  }
  static Avx512Vector ZeroWhereLess(Avx512Vector x, Avx512Vector bound, Avx512Vector value) {
    const __mmask16 less = _mm512_cmp_ps_mask(x.v, bound.v, _CMP_LT_OQ);
    return {_mm512_mask_mov_ps(value.v, less, _mm512_setzero_ps())};
  }
  static float Sum(Avx512Vector a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  static void SumFour(const Avx512Vector* four, float* out) {
    // Quarters of two vectors side by side: (i, i + 8), then (i, i + 4).
    const __m512 left = Halve(four[0].v, four[1].v), right = Halve(four[2].v, four[3].v);
    __m512 x = _mm512_add_ps(_mm512_shuffle_f32x4(left, right, 0x88),
                             _mm512_shuffle_f32x4(left, right, 0xdd));
    x = _mm512_add_ps(x, _mm512_permute_ps(x, 0x4e));
    x = _mm512_add_ps(x, _mm512_movehdup_ps(x));
    _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, x)));
  }
  static float Largest(Avx512Vector a) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }

 private:
  static __m512i RoundedBits(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i out = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    out = _mm512_mask_or_epi32(out, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), bits,
                               _mm512_set1_epi32(0x00400000));
    return _mm512_mask_and_epi32(out, _mm512_testn_epi32_mask(bits, _mm512_set1_epi32(0x7f800000)),
                                 bits, _mm512_set1_epi32(static_cast<int>(0x80000000u)));
  }
  static __m512 Halve(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  }
};

}  // namespace cohort::kernels
