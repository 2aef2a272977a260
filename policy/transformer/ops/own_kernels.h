#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cpu/ops.h"

namespace cohort::policy {

// fp32 on the CPU: what the kernels room computes. LibTorch does the rest.
inline bool SuitsOwnKernels(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat;
}

// Rows of a task that goes along them.
constexpr int64_t kRowsPerTask = 64;

}  // namespace cohort::policy
