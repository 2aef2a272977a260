#pragma once

// Sixteen lanes of fp32 in plain C++: the meaning of vector_avx2.h and vector_avx512.h, which must
// give the same bits in every lane (tests/kernels/cpu/isa_test.cc).

#include <bit>
#include <cmath>
#include <cstdint>

namespace cohort::kernels {

struct ScalarVector {
  // Register tile of the matrix product: rows at most, and 16-column panels at once for that many
  // rows.
  static constexpr int kMaxRows = 4;
  static constexpr int PanelsAtOnce(int) { return 1; }
  // Register tile of the product along lanes: rows at most, and tokens at once for that many rows.
  static constexpr int kMaxDotRows = 1;
  static constexpr int TokensAtOnce(int) { return 1; }

  float lane[16];

  template <class F>
  static ScalarVector Map(F f) {
    ScalarVector out;
    for (int i = 0; i < 16; ++i) out.lane[i] = f(i);
    return out;
  }
  static ScalarVector Broadcast(float x) {
    return Map([&](int) { return x; });
  }
  static ScalarVector Load(const float* p) {
    return Map([&](int i) { return p[i]; });
  }
  static ScalarVector LoadBf16(const uint16_t* p) {
    return Map([&](int i) { return std::bit_cast<float>(static_cast<uint32_t>(p[i]) << 16); });
  }
  // The bf16 numbers in the lower and in the upper half of each element.
  static ScalarVector LoadEven(const uint32_t* p) {
    return Map([&](int i) { return std::bit_cast<float>(p[i] << 16); });
  }
  static ScalarVector LoadOdd(const uint32_t* p) {
    return Map([&](int i) { return std::bit_cast<float>(p[i] & 0xffff0000u); });
  }
  void Store(float* p) const {
    for (int i = 0; i < 16; ++i) p[i] = lane[i];
  }
  // Rounded to bf16, to nearest even; a denormal becomes zero.
  void StoreBf16(uint16_t* p) const {
    for (int i = 0; i < 16; ++i) p[i] = static_cast<uint16_t>(RoundedBits(lane[i]) >> 16);
  }
  static void StorePairs(ScalarVector even, ScalarVector odd, uint32_t* p) {
    for (int i = 0; i < 16; ++i) {
      p[i] = RoundedBits(even.lane[i]) >> 16 | (RoundedBits(odd.lane[i]) & 0xffff0000u);
    }
  }
  // a * b + c with one rounding
  static ScalarVector Fma(ScalarVector a, ScalarVector b, ScalarVector c) {
    return Map([&](int i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
  }
  friend ScalarVector operator+(ScalarVector a, ScalarVector b) {
    return Map([&](int i) { return a.lane[i] + b.lane[i]; });
  }
  friend ScalarVector operator-(ScalarVector a, ScalarVector b) {
    return Map([&](int i) { return a.lane[i] - b.lane[i]; });
  }
  friend ScalarVector operator*(ScalarVector a, ScalarVector b) {
    return Map([&](int i) { return a.lane[i] * b.lane[i]; });
  }
  friend ScalarVector operator/(ScalarVector a, ScalarVector b) {
    return Map([&](int i) { return a.lane[i] / b.lane[i]; });
  }
  static ScalarVector Sqrt(ScalarVector a) {
    return Map([&](int i) { return std::sqrt(a.lane[i]); });
  }
  // The second operand where the comparison is false: a NaN in b comes out, one in a does not.
  static ScalarVector Max(ScalarVector a, ScalarVector b) {
    return Map([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static ScalarVector Min(ScalarVector a, ScalarVector b) {
    return Map([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  // To the nearest integer, ties to even.
  static ScalarVector Round(ScalarVector a) {
    return Map([&](int i) { return std::nearbyint(a.lane[i]); });
  }
  // 2^n for an integer n in [-126, 127].
  static ScalarVector PowerOfTwo(ScalarVector n) {
    return Map([&](int i) {
      const int exponent = std::isnan(n.lane[i]) ? 0 : static_cast<int>(n.lane[i]);
      return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
    });
  }
  // The largest power of two up to |a|, below 2^-126 zero; infinity for what is no number.
  static ScalarVector PowerBelow(ScalarVector a) {
    return Map([&](int i) {
      return std::bit_cast<float>(std::bit_cast<uint32_t>(a.lane[i]) & 0x7f800000u);
    });
  }
  // 0 in the lanes where x < bound, value elsewhere.
  static ScalarVector ZeroWhereLess(ScalarVector x, ScalarVector bound, ScalarVector value) {
    return Map([&](int i) { return x.lane[i] < bound.lane[i] ? 0.0f : value.lane[i]; });
  }
  // Pairs (i, i + 8), then (i, i + 4), (i, i + 2), (i, i + 1).
  static float Sum(ScalarVector a) {
    for (int half = 8; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) a.lane[i] += a.lane[i + half];
    }
    return a.lane[0];
  }
  // out[0 .. 3] = the Sum of each.
  static void SumFour(const ScalarVector* four, float* out) {
    for (int i = 0; i < 4; ++i) out[i] = Sum(four[i]);
  }
  static float Largest(ScalarVector a) {
    for (int half = 8; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) {
        a.lane[i] = a.lane[i] > a.lane[i + half] ? a.lane[i] : a.lane[i + half];
      }
    }
    return a.lane[0];
  }

 private:
  static uint32_t RoundedBits(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    if ((bits & 0x7f800000u) == 0) return bits & 0x80000000u;
    if (std::isnan(x)) return bits | 0x00400000u;
    return bits + 0x7fffu + (bits >> 16 & 1u);
  }
};

}  // namespace cohort::kernels
