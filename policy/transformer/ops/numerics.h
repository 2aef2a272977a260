#pragma once

// In which class (kernels/cpu/ops.h) the products of our CPU kernels are computed, on this thread:
// as torch.autocast does for the dtypes of LibTorch's. A product's gradients are of its class.

#include "kernels/cpu/ops.h"

namespace cohort::policy {

kernels::Numerics ProductNumerics();  // kFloat32 outside of any scope

// The class of what FP8 training leaves in a higher precision (arXiv 2412.19437 section 3.3.1: the
// embedding, the head, gates, attention; and adapters, whose rank fills no tile): bf16's for
// kFp8Blocks, any other itself.
kernels::Numerics HigherNumerics(kernels::Numerics numerics);

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

// Inside, products are not of kFp8Blocks.
class HigherPrecisionScope {
 private:
  const NumericsScope scope_{HigherNumerics(ProductNumerics())};
};

}  // namespace cohort::policy
