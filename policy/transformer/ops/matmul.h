#pragma once

// Matrix products of the learner. Shapes: M rows, K summed over, N columns.

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/cpu/fp8_product.h"

namespace cohort::policy {

// a b^T, with no gradient kept; any strides, one dtype and device. In fp32 on the CPU it is
// kernels/cpu/dense_product.h, whose bits do not depend on the thread count, in the class of
// numerics.h; elsewhere at::mm. `pass` is of what is computed in FP8, which is fp32 tensors on the
// CPU alone.
at::Tensor MatmulNt(const at::Tensor& a_MK, const at::Tensor& b_NK,
                    kernels::Fp8Pass pass = kernels::Fp8Pass::kFprop);

// The same into `out_MN`, which may be a view with contiguous rows.
struct ProductInto {
  at::Tensor out_MN, a_MK, b_NK;
  bool accumulate = false;  // out += a b^T
  kernels::Fp8Pass pass = kernels::Fp8Pass::kFprop;
};
// Several products at once: experts too small to occupy the cores one by one do so together.
void MatmulNtInto(const std::vector<ProductInto>& products);

// x W^T, differentiable in both.
at::Tensor Project(const at::Tensor& x_MK, const at::Tensor& weight_NK);

}  // namespace cohort::policy
