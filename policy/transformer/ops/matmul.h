#pragma once

// Matrix products of the learner. Shapes: M rows, K summed over, N columns.

#include <ATen/core/Tensor.h>

#include <optional>
#include <utility>
#include <vector>

#include "kernels/cpu/fp8_product.h"

namespace cohort::policy {

// A matrix [N, K], or a stack of them, as it is kept: of the activations' dtype or, frozen and
// beside fp32 activations on the CPU, bf16 or e4m3 with scales (policy/weights/fp8_blocks.h; gate
// and up in one matrix may have blocks of their own), which products then read piece by piece.
struct KeptMatrix {
  KeptMatrix(at::Tensor values, at::Tensor scale_inv = {}, bool transposed = false)
      : values(std::move(values)), scale_inv(std::move(scale_inv)), transposed(transposed) {}

  KeptMatrix Transposed() const { return {values.transpose(-1, -2), scale_inv, !transposed}; }
  KeptMatrix operator[](int64_t i) const {
    return {values[i], scale_inv.defined() ? scale_inv[i] : scale_inv, transposed};
  }

  at::Tensor values;
  at::Tensor scale_inv;  // of the blocks as the matrix lies; undefined without
  bool transposed;       // values are seen so
};

// How an autograd function, which takes no undefined tensor, is given one that may be undefined.
inline std::optional<at::Tensor> IfDefined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

// a b^T, with no gradient kept; any strides, one dtype and device. In fp32 on the CPU it is
// kernels/cpu/dense_product.h, whose bits do not depend on the thread count, in the class of
// numerics.h; elsewhere at::mm. `pass` is of what is computed in FP8, which is fp32 tensors on the
// CPU alone.
at::Tensor MatmulNt(const at::Tensor& a_MK, const KeptMatrix& b_NK,
                    kernels::Fp8Pass pass = kernels::Fp8Pass::kFprop);

// The same into `out_MN`, which may be a view with contiguous rows.
struct ProductInto {
  at::Tensor out_MN, a_MK;
  KeptMatrix b_NK;
  bool accumulate = false;  // out += a b^T
  kernels::Fp8Pass pass = kernels::Fp8Pass::kFprop;
};
// Several products at once: experts too small to occupy the cores one by one do so together.
void MatmulNtInto(const std::vector<ProductInto>& products);

// x W^T, differentiable in both.
at::Tensor Project(const at::Tensor& x_MK, const KeptMatrix& weight_NK);

}  // namespace cohort::policy
