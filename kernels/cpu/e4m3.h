#pragma once

// The 8-bit numbers of FP8 training (OCP 8-bit floating point specification, E4M3; float8_e4m3fn in
// LibTorch): a sign, four bits of exponent with bias 7, three of mantissa. The largest is 448, the
// smallest normal one 2^-6, denormals are multiples of 2^-9, 0x7f and 0xff are no numbers, and
// there is no infinity. Each is a bf16 number, and the product of two has 8 bits: what multiplies
// them in bf16 and adds in fp32 rounds in the sums alone.

#include <cstdint>

namespace cohort::kernels {

constexpr float kLargestE4m3 = 448.0f;
// Numbers that share a scale: along a row (activations), or in each direction (weights).
constexpr int64_t kFp8Tile = 128;

// To the nearest, ties to even; beyond 448, with infinity: 448.
uint8_t EncodeE4m3(float x);
float DecodeE4m3(uint8_t code);

// "ue8m0" in the quantization_config of DeepSeek-V3.1: the next power of two.
enum class Fp8ScaleFormat { kFloat32, kUe8m0 };

// By what numbers up to `largest` are divided before they are rounded, and multiplied afterwards:
// max(largest, floor) / 448.
float E4m3Scale(float largest, float floor, Fp8ScaleFormat format);

}  // namespace cohort::kernels
