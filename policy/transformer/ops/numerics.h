#pragma once

// In which class (kernels/cpu/ops.h) the products of our CPU kernels are computed, on this thread:
// as torch.autocast does for the dtypes of LibTorch's. A product's gradients are of its class.

#include "kernels/cpu/ops.h"

namespace cohort::policy {

kernels::Numerics ProductNumerics();  // kFloat32 outside of any scope

// While it lives, products are of that class. Scopes nest.
class NumericsScope {
 public:
  explicit NumericsScope(kernels::Numerics numerics);
  ~NumericsScope();
  NumericsScope(const NumericsScope&) = delete;
  NumericsScope& operator=(const NumericsScope&) = delete;

 private:
  kernels::Numerics outer_;
};

}  // namespace cohort::policy
