#pragma once

// FP8 weights as DeepSeek-V3 publishes them (arXiv 2412.19437 section 3.3.2 and the
// README_WEIGHTS.md of its repository): e4m3 values, and for each block of 128 x 128 one
// multiplier,
//   W[i, j] = value[i, j] * scale_inv[i / 128, j / 128].
// Blocks at the lower and right edge may be smaller. A folder holds the scales of `NAME` as
// `NAME_scale_inv`, in fp32 or, where they are powers of two, as F8_E8M0. The experts that
// transformers 5 leaves fused are a stack of matrices, with a stack of scales.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "policy/config/quantization.h"

namespace cohort::policy {

// kUsage naming the first linear layer in FP8 (StoredDtype in policy/weights/stored_tensors.h) with
// a width that is no multiple of 16, `setting` being what asks for FP8. It is the rule of the
// kernels that compute in FP8: NVIDIA TransformerEngine refuses other shapes
// (assert_dim_for_fp8_exec in transformer_engine/pytorch/utils.py). Blocks of 128 need not fit: the
// last ones are smaller, as in DeepSeek-V3's kv_a_proj_with_mqa of 576 rows.
void CheckFp8Shapes(const ModelConfig& config, const std::string& setting);

struct Fp8Matrix {
  at::Tensor values;     // float8_e4m3fn [..., R, C]
  at::Tensor scale_inv;  // fp32 [..., ceil(R / 128), ceil(C / 128)]
};

std::string Fp8ScaleName(const std::string& name);
// [..., ceil(R / 128), ceil(C / 128)] of [..., R, C]
std::vector<int64_t> Fp8ScaleShape(c10::IntArrayRef matrix);

// scale_inv = max|W| / 448 of the block (448 is e4m3's largest number; 1 for a block of zeros),
// value = W / scale_inv rounded to nearest, ties to even. `weight_RC`: one matrix of any floating
// dtype, any strides.
Fp8Matrix QuantizeFp8(const at::Tensor& weight_RC);

// The same of a tensor in memory (policy/weights/weights.h): gates and ups of experts, which a
// folder has as two matrices, have blocks of their own, and each expert has.
Fp8Matrix QuantizeFp8Tensor(const std::string& name, const at::Tensor& weight);

// Writes W into `out` (any floating dtype, may be a view), computed in fp32. The rows may be two
// matrices of as many rows each, with blocks of their own.
void DequantizeFp8(const Fp8Matrix& matrix, at::Tensor out);

}  // namespace cohort::policy
