#pragma once

#include <ATen/core/Tensor.h>

namespace cohort::policy {

// silu(gate) * up, elementwise (arXiv 2002.05202). Differentiable in both.
at::Tensor SwiGlu(const at::Tensor& gate, const at::Tensor& up);
// The same into `out`, with no gradient kept; rows of any stride.
void SwiGluInto(const at::Tensor& gate, const at::Tensor& up, at::Tensor out);

// The gradients of SwiGlu, written into d_gate and d_up (shapes of gate and up, rows may be
// strided).
void SwiGluBackward(const at::Tensor& gradient, const at::Tensor& gate, const at::Tensor& up,
                    at::Tensor d_gate, at::Tensor d_up);

}  // namespace cohort::policy
