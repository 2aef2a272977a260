#pragma once

// The device switch: who computes an op for these tensors. Every op of this folder asks here, and
// nothing else does: modules call ops. Another backend (our CUDA kernels) is one more value here
// and one more case in the ops that it has.

#include <ATen/core/Tensor.h>

#include "kernels/cpu/ops.h"

namespace cohort::policy {

enum class Backend {
  kOwnCpu,    // kernels/cpu: fp32 (and int64 indices) on the CPU; threads change no bit
  kLibTorch,  // every other dtype and device
};

// The backend that takes all of them.
template <class... Tensors>
Backend BackendFor(const Tensors&... tensors) {
  const auto suits_own = [](const at::Tensor& x) {
    return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kLong);
  };
  return (suits_own(tensors) && ...) ? Backend::kOwnCpu : Backend::kLibTorch;
}

}  // namespace cohort::policy
