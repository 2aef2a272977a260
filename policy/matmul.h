#pragma once

// Matrix products of the learner. Shapes: M rows, K summed over, N columns.

#include <ATen/core/Tensor.h>

namespace cohort::policy {

// a b^T without autograd; any strides, one dtype and device. Large fp32 products on the CPU go to
// oneDNN, whose kernels use AVX-512 on every CPU that has it; LibTorch's default, MKL, keeps to
// AVX2 on AMD's and reaches half the rate there. Everything else is at::mm.
at::Tensor MatmulNt(const at::Tensor& a_MK, const at::Tensor& b_NK);
// The same into `out_MN`, which may be a view.
void MatmulNtInto(at::Tensor out_MN, const at::Tensor& a_MK, const at::Tensor& b_NK);

// x W^T, differentiable in both.
at::Tensor Project(const at::Tensor& x_MK, const at::Tensor& weight_NK);

}  // namespace cohort::policy
