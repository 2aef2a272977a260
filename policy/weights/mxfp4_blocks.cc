#include "policy/weights/mxfp4_blocks.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace cohort::policy {
namespace {

constexpr int64_t kBytesOfBlock = kMxfp4Block / 2;
constexpr int64_t kRowsAtOnce = 64;  // unpacked side by side, then converted together

// e2m1 by its four bits: sign, two of exponent, one of mantissa.
constexpr float kValues[16] = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                               -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};

void Unpack(const Mxfp4Matrix& matrix, float* out) {
  const auto* block = matrix.blocks.const_data_ptr<uint8_t>();
  const auto* scale = matrix.scales.const_data_ptr<uint8_t>();
  for (int64_t i = 0; i < matrix.scales.numel(); ++i) {
    const float factor = std::ldexp(1.0F, scale[i] - 127);
    for (int64_t byte = 0; byte < kBytesOfBlock; ++byte, ++block, out += 2) {
      out[0] = kValues[*block & 0xF] * factor;
      out[1] = kValues[*block >> 4] * factor;
    }
  }
}

}  // namespace

std::string Mxfp4BlocksName(const std::string& name) { return name + "_blocks"; }
std::string Mxfp4ScalesName(const std::string& name) { return name + "_scales"; }

std::vector<int64_t> Mxfp4ScalesShape(c10::IntArrayRef rows) {
  COHORT_CHECK(!rows.empty() && rows.back() % kMxfp4Block == 0, "rows are whole blocks");
  std::vector<int64_t> shape = rows.vec();
  shape.back() /= kMxfp4Block;
  return shape;
}

std::vector<int64_t> Mxfp4BlocksShape(c10::IntArrayRef rows) {
  std::vector<int64_t> shape = Mxfp4ScalesShape(rows);
  shape.push_back(kBytesOfBlock);
  return shape;
}

void DequantizeMxfp4(const Mxfp4Matrix& matrix, const at::Tensor& out) {
  const at::NoGradGuard no_grad;
  COHORT_CHECK(matrix.scales.sizes() == Mxfp4ScalesShape(out.sizes()) &&
                   matrix.blocks.sizes() == Mxfp4BlocksShape(out.sizes()),
               "blocks, scales and output belong to one matrix");
  if (out.numel() == 0) return;
  if (out.dim() == 1) {
    return DequantizeMxfp4({matrix.blocks.unsqueeze(0), matrix.scales.unsqueeze(0)},
                           out.unsqueeze(0));
  }
  const int64_t items = out.size(0);
  const int64_t rows_of_item = out.numel() / items / out.size(-1);
  if (rows_of_item > kRowsAtOnce) {
    for (int64_t i = 0; i < items; ++i) {
      DequantizeMxfp4({matrix.blocks[i], matrix.scales[i]}, out[i]);
    }
    return;
  }
  const int64_t step = kRowsAtOnce / rows_of_item;
  std::vector<int64_t> shape = out.sizes().vec();
  for (int64_t first = 0; first < items; first += step) {
    const int64_t count = shape[0] = std::min(step, items - first);
    const at::Tensor values = at::empty(shape, at::kFloat);
    Unpack({matrix.blocks.narrow(0, first, count).contiguous(),
            matrix.scales.narrow(0, first, count).contiguous()},
           values.mutable_data_ptr<float>());
    out.narrow(0, first, count).copy_(values);
  }
}

}  // namespace cohort::policy
