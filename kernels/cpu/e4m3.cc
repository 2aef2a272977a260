#include "kernels/cpu/e4m3.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace cohort::kernels {
namespace {

constexpr int kMantissaBits = 3, kBias = 7, kFloatBias = 127, kCutBits = 23 - kMantissaBits;
constexpr uint8_t kLargestCode = 0x7e, kNoNumber = 0x7f;

}  // namespace

uint8_t EncodeE4m3(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const auto sign = static_cast<uint8_t>(bits >> 24 & 0x80u);
  if (std::isnan(x)) return sign | kNoNumber;
  const float size = std::fabs(x);
  if (size < 0x1p-6f) return sign | static_cast<uint8_t>(std::nearbyint(size * 0x1p9f));
  if (size >= kLargestE4m3) return sign | kLargestCode;
  const uint32_t whole = bits & 0x7fffffffu;
  const uint32_t rounded = whole + ((1u << (kCutBits - 1)) - 1) + (whole >> kCutBits & 1u);
  return sign | static_cast<uint8_t>((rounded >> kCutBits) -
                                     (static_cast<uint32_t>(kFloatBias - kBias) << kMantissaBits));
}

float DecodeE4m3(uint8_t code) {
  const int exponent = code >> kMantissaBits & 15, mantissa = code & 7;
  const float size =
      (code & 0x7f) == kNoNumber ? NAN
      : exponent == 0
          ? std::ldexp(static_cast<float>(mantissa), 1 - kBias - kMantissaBits)
          : std::ldexp(static_cast<float>(8 + mantissa), exponent - kBias - kMantissaBits);
  return (code & 0x80) != 0 ? -size : size;
}

float E4m3Scale(float largest, float floor, Fp8ScaleFormat format) {
  const float scale = std::max(largest, floor) / kLargestE4m3;
  if (format == Fp8ScaleFormat::kFloat32 || !std::isfinite(scale)) return scale;
  int exponent = 0;
  const float mantissa = std::frexp(scale, &exponent);  // in [0.5, 1)
  return std::ldexp(1.0f, mantissa == 0.5f ? exponent - 1 : exponent);
}

}  // namespace cohort::kernels
