#pragma once

#include <ATen/core/Tensor.h>

namespace cohort::policy {

// 1 / (1 + e^-x). In fp32 on the CPU the decoder's, bit for bit. Differentiable.
at::Tensor Sigmoid(const at::Tensor& x);

}  // namespace cohort::policy
