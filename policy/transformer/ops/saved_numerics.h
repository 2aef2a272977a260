#pragma once

// How an autograd function gives its gradients the class of its forward's products.

#include <torch/csrc/autograd/custom_function.h>

#include "policy/transformer/ops/numerics.h"

namespace cohort::policy {

inline void SaveNumerics(torch::autograd::AutogradContext* context) {
  context->saved_data["numerics"] = static_cast<int64_t>(ProductNumerics());
}

inline kernels::Numerics SavedNumerics(torch::autograd::AutogradContext* context) {
  return static_cast<kernels::Numerics>(context->saved_data["numerics"].toInt());
}

}  // namespace cohort::policy
