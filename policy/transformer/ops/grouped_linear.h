#pragma once

// One linear layer per routed expert, over rows sorted by expert: expert e has the rows offsets[e]
// to offsets[e + 1] - 1. Shapes: S rows, E experts, I input width, O output width.

#include <ATen/core/Tensor.h>

#include <vector>

#include "policy/transformer/ops/matmul.h"

namespace cohort::policy {

// out[rows of e] = x[rows of e] weight[e]^T + bias[e], with no gradient kept; weights of any
// strides. bias_EO is undefined where there is none. `pass` is matmul.h's.
at::Tensor GroupedLinear(const at::Tensor& x_SI, const KeptMatrix& weight_EOI,
                         const std::vector<int64_t>& offsets, const at::Tensor& bias_EO = {},
                         kernels::Fp8Pass pass = kernels::Fp8Pass::kFprop);

// The weight gradient of GroupedLinear: d_weight[e] = gradient[rows of e]^T x[rows of e], filled in
// place; zero for an expert without rows.
at::Tensor GroupedOuter(const at::Tensor& gradient_SO, const at::Tensor& x_SI,
                        const std::vector<int64_t>& offsets);

// The bias gradient of GroupedLinear: the rows of each expert summed in a fixed order, [E, O].
at::Tensor GroupedSum(const at::Tensor& gradient_SO, const std::vector<int64_t>& offsets);

// GroupedLinear, differentiable in x, weight and bias.
at::Tensor GroupedProject(const at::Tensor& x_SI, const KeptMatrix& weight_EOI,
                          const std::vector<int64_t>& offsets, const at::Tensor& bias_EO = {});

}  // namespace cohort::policy
