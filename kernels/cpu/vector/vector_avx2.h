#pragma once

// Sixteen lanes of fp32 in two 256-bit registers. Included by ops_avx2.cc only.

#include <immintrin.h>

#include <cstdint>

namespace cohort::kernels {

struct Avx2Vector {
  // 12 of 16 registers accumulate (6 x 2), or 8 where more rows would leave the FMA latency bare.
  static constexpr int kMaxRows = 6;
  static constexpr int PanelsAtOnce(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }
  static constexpr int kMaxDotRows = 1;
  static constexpr int TokensAtOnce(int) { return 4; }

  __m256 lo, hi;

  static Avx2Vector Broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Avx2Vector Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static Avx2Vector LoadBf16(const uint16_t* p) { return {Widen(p), Widen(p + 8)}; }
  static Avx2Vector LoadEven(const uint32_t* p) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(Bits(p), 16)),
            _mm256_castsi256_ps(_mm256_slli_epi32(Bits(p + 8), 16))};
  }
  static Avx2Vector LoadOdd(const uint32_t* p) {
    const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    return {_mm256_castsi256_ps(_mm256_and_si256(Bits(p), upper)),
            _mm256_castsi256_ps(_mm256_and_si256(Bits(p + 8), upper))};
  }
  void Store(float* p) const {
    _mm256_storeu_ps(p, lo);
    _mm256_storeu_ps(p + 8, hi);
  }
  void StoreBf16(uint16_t* p) const {
    // Packing works within halves of a register; the permutation puts the quarters in order.
    const __m256i packed = _mm256_packus_epi32(_mm256_srli_epi32(RoundedBits(lo), 16),
                                               _mm256_srli_epi32(RoundedBits(hi), 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
  }
  static void StorePairs(Avx2Vector even, Avx2Vector odd, uint32_t* p) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), Pair(even.lo, odd.lo));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), Pair(even.hi, odd.hi));
  }
  static Avx2Vector Fma(Avx2Vector a, Avx2Vector b, Avx2Vector c) {
    return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
  }
  friend Avx2Vector operator+(Avx2Vector a, Avx2Vector b) {
    return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
  }
  friend Avx2Vector operator-(Avx2Vector a, Avx2Vector b) {
    return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
  }
  friend Avx2Vector operator*(Avx2Vector a, Avx2Vector b) {
    return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
  }
  friend Avx2Vector operator/(Avx2Vector a, Avx2Vector b) {
    return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
  }
  static Avx2Vector Sqrt(Avx2Vector a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
  static Avx2Vector Max(Avx2Vector a, Avx2Vector b) {
    return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
  }
  static Avx2Vector Min(Avx2Vector a, Avx2Vector b) {
    return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
  }
  static Avx2Vector Round(Avx2Vector a) {
    constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.lo, kNearest), _mm256_round_ps(a.hi, kNearest)};
  }
  static Avx2Vector PowerOfTwo(Avx2Vector n) { return {Exponent(n.lo), Exponent(n.hi)}; }
  static Avx2Vector PowerBelow(Avx2Vector a) {
    const __m256 exponent = _mm256_castsi256_ps(_mm256_set1_epi32(0x7f800000));
    return {_mm256_and_ps(a.lo, exponent), _mm256_and_ps(a.hi, exponent)};
  }
  static Avx2Vector ZeroWhereLess(Avx2Vector x, Avx2Vector bound, Avx2Vector value) {
    return {_mm256_andnot_ps(_mm256_cmp_ps(x.lo, bound.lo, _CMP_LT_OQ), value.lo),
            _mm256_andnot_ps(_mm256_cmp_ps(x.hi, bound.hi, _CMP_LT_OQ), value.hi)};
  }
  static float Sum(Avx2Vector a) {
    const __m256 eight = _mm256_add_ps(a.lo, a.hi);
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  static void SumFour(const Avx2Vector* four, float* out) {
    // Halves of two vectors side by side: (i, i + 8), (i, i + 4); then quarters of four.
    const __m256 left = Halve(four[0], four[1]), right = Halve(four[2], four[3]);
    __m256 x =
        _mm256_add_ps(_mm256_shuffle_ps(left, right, 0x44), _mm256_shuffle_ps(left, right, 0xee));
    x = _mm256_add_ps(x, _mm256_movehdup_ps(x));  // sums 0, 2, 1, 3 in elements 0, 2, 4, 6
    const __m128 sums =
        _mm_shuffle_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1), 0x88);
    _mm_storeu_ps(out, _mm_permute_ps(sums, 0xd8));
  }
  static float Largest(Avx2Vector a) {
    const __m256 eight = _mm256_max_ps(a.lo, a.hi);
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }

 private:
  static __m256i Bits(const uint32_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static __m256i RoundedBits(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x), one = _mm256_set1_epi32(1);
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
    const __m256i rounded =
        _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
    const __m256i zero = _mm256_and_si256(bits, _mm256_set1_epi32(static_cast<int>(0x80000000u)));
    const __m256i is_small =
        _mm256_cmpeq_epi32(_mm256_and_si256(bits, exponent), _mm256_setzero_si256());
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(_mm256_blendv_epi8(rounded, quiet, is_nan), zero, is_small);
  }
  static __m256i Pair(__m256 even, __m256 odd) {
    return _mm256_blend_epi16(_mm256_srli_epi32(RoundedBits(even), 16), RoundedBits(odd), 0xaa);
  }
  static __m256 Halve(Avx2Vector a, Avx2Vector b) {
    const __m256 x = _mm256_add_ps(a.lo, a.hi), y = _mm256_add_ps(b.lo, b.hi);
    return _mm256_add_ps(_mm256_permute2f128_ps(x, y, 0x20), _mm256_permute2f128_ps(x, y, 0x31));
  }
  static __m256 Widen(const uint16_t* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  static __m256 Exponent(__m256 n) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
  }
};

}  // namespace cohort::kernels
