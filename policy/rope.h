#pragma once

#include <ATen/core/Tensor.h>

namespace cohort::policy {

// Rotary position embedding (arXiv 2104.09864) in the half-split layout of Llama: channel i is
// paired with channel i + head_dim / 2. Shapes: T tokens, R = head_dim / 2.
struct RopeTable {
  at::Tensor cos_T1R;  // fp32
  at::Tensor sin_T1R;
};

// The angles of these positions, computed in fp32 as transformers does; one table serves all
// layers.
RopeTable MakeRopeTable(const at::Tensor& positions_T, int64_t head_dim, double base);

// x: [T, H, head_dim]. Differentiable in x.
at::Tensor Rotate(const at::Tensor& x_THd, const RopeTable& table);

}  // namespace cohort::policy
