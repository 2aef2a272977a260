#pragma once

// Weights in MXFP4 as gpt-oss publishes its experts (OCP Microscaling Formats v1.0): of each row,
// every 32 numbers share a scale, a power of two in e8m0, and are in e2m1,
//   W[r, c] = value[r, c] * 2^(scale[r, c / 32] - 127).
// A folder holds `NAME` as `NAME_blocks`, two numbers a byte with the first in its low half, and
// `NAME_scales`. Rows are outputs, columns inputs, whatever the layout of NAME where it is whole.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace cohort::policy {

constexpr int64_t kMxfp4Block = 32;       // numbers that share a scale
constexpr uint8_t kMxfp4NanScale = 0xFF;  // e8m0 has a NaN

struct Mxfp4Matrix {
  at::Tensor blocks;  // uint8 [..., C / 32, 16]
  at::Tensor scales;  // uint8 [..., C / 32]
};

std::string Mxfp4BlocksName(const std::string& name);
std::string Mxfp4ScalesName(const std::string& name);
// Of a tensor [..., C], C a multiple of 32.
std::vector<int64_t> Mxfp4BlocksShape(c10::IntArrayRef rows);
std::vector<int64_t> Mxfp4ScalesShape(c10::IntArrayRef rows);

// Writes W into `out` [..., C] (any floating dtype, may be a view), computed in fp32. No scale is
// kMxfp4NanScale.
void DequantizeMxfp4(const Mxfp4Matrix& matrix, const at::Tensor& out);

}  // namespace cohort::policy
