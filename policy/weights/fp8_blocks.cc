#include "policy/weights/fp8_blocks.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "base/error.h"
#include "policy/weights/stored_tensors.h"
#include "policy/weights/weights.h"

namespace cohort::policy {
namespace {

constexpr float kLargestE4m3 = 448.0F;

int64_t Blocks(int64_t size) { return (size + kFp8Block - 1) / kFp8Block; }

// One multiplier for every column: [ceil(C / 128)] -> [C].
at::Tensor PerColumn(const at::Tensor& block_scales, int64_t columns) {
  return block_scales.repeat_interleave(kFp8Block).narrow(0, 0, columns);
}

// Calls body(block row, its rows of `matrix`).
template <class Body>
void ForEachBlockRow(const at::Tensor& matrix, const Body& body) {
  for (int64_t row = 0; row < matrix.size(0); row += kFp8Block) {
    body(row / kFp8Block,
         matrix.narrow(0, row, std::min<int64_t>(kFp8Block, matrix.size(0) - row)));
  }
}

}  // namespace

std::string Fp8ScaleName(const std::string& name) { return name + "_scale_inv"; }

std::vector<int64_t> Fp8ScaleShape(c10::IntArrayRef matrix) {
  COHORT_CHECK(matrix.size() >= 2, "block scales belong to a matrix");
  std::vector<int64_t> shape = matrix.vec();
  for (size_t i = shape.size() - 2; i < shape.size(); ++i) shape[i] = Blocks(shape[i]);
  return shape;
}

void CheckFp8Shapes(const ModelConfig& config, const std::string& setting) {
  constexpr int64_t kWidths = 16;
  for (const TensorSpec& tensor : ExpectedTensors(config)) {
    const size_t dimensions = tensor.shape.size();
    if (StoredDtype(tensor.name, dimensions, Dtype::kFloat8E4m3) != Dtype::kFloat8E4m3) continue;
    int64_t rows = tensor.shape[dimensions - 2];
    // Gates and ups lie in one tensor.
    if (tensor.name.ends_with("gate_up_proj") || tensor.name.ends_with("gate_up_proj.weight")) {
      rows /= 2;
    }
    for (const int64_t width : {rows, tensor.shape.back()}) {
      if (width % kWidths == 0) continue;
      throw Error(ErrorCode::kUsage,
                  setting + " needs linear layers whose widths are multiples of " +
                      std::to_string(kWidths) + "; " + tensor.name + " is of " +
                      std::to_string(rows) + " x " + std::to_string(tensor.shape.back()),
                  "bfloat16 takes any shape");
    }
  }
}

Fp8Matrix QuantizeFp8(const at::Tensor& weight_RC) {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = weight_RC.detach().to(at::kCPU);
  Fp8Matrix out{at::empty(weight.sizes(), at::kFloat8_e4m3fn),
                at::empty(Fp8ScaleShape(weight.sizes()), at::kFloat)};
  const int64_t columns = weight.size(1);
  ForEachBlockRow(weight, [&](int64_t block, const at::Tensor& part) {
    const at::Tensor rows = part.to(at::kFloat);
    const at::Tensor peak =
        at::constant_pad_nd(rows.abs().amax(0), {0, Blocks(columns) * kFp8Block - columns})
            .view({-1, kFp8Block})
            .amax(1);
    const at::Tensor scale = at::where(peak > 0, peak / kLargestE4m3, at::ones_like(peak));
    out.scale_inv[block].copy_(scale);
    out.values.narrow(0, block * kFp8Block, rows.size(0)).copy_(rows / PerColumn(scale, columns));
  });
  return out;
}

Fp8Matrix QuantizeFp8Tensor(const std::string& name, const at::Tensor& weight) {
  if (weight.dim() == 2) return QuantizeFp8(weight);
  const int64_t parts = name.ends_with("gate_up_proj") ? 2 : 1;
  const at::Tensor matrices = weight.reshape({-1, weight.size(1) / parts, weight.size(2)});
  const at::Tensor values = at::empty(weight.sizes(), at::kFloat8_e4m3fn);
  std::vector<at::Tensor> scales;
  for (int64_t i = 0; i < matrices.size(0); ++i) {
    const Fp8Matrix one = QuantizeFp8(matrices[i]);
    values.view(matrices.sizes())[i].copy_(one.values);
    scales.push_back(one.scale_inv);
  }
  return {values, at::cat(scales).view({weight.size(0), -1, Blocks(weight.size(2))})};
}

void DequantizeFp8(const Fp8Matrix& matrix, at::Tensor out) {
  const at::NoGradGuard no_grad;
  if (matrix.scale_inv.size(-2) != Blocks(out.size(-2)) &&
      matrix.scale_inv.size(-2) == 2 * Blocks(out.size(-2) / 2)) {
    const auto halves = [](const at::Tensor& x) { return x.unflatten(-2, {2, x.size(-2) / 2}); };
    return DequantizeFp8({halves(matrix.values), halves(matrix.scale_inv)}, halves(out));
  }
  COHORT_CHECK(matrix.values.sizes() == out.sizes() &&
                   matrix.scale_inv.sizes() == Fp8ScaleShape(out.sizes()),
               "values, scales and output belong to one matrix");
  if (out.dim() > 2) {
    for (int64_t i = 0; i < out.size(0); ++i) {
      DequantizeFp8({matrix.values[i], matrix.scale_inv[i]}, out[i]);
    }
    return;
  }
  const at::Tensor scales = matrix.scale_inv.to(at::kFloat);
  ForEachBlockRow(matrix.values, [&](int64_t block, const at::Tensor& part) {
    out.narrow(0, block * kFp8Block, part.size(0))
        .copy_(part.to(at::kFloat) * PerColumn(scales[block], out.size(1)));
  });
}

}  // namespace cohort::policy
