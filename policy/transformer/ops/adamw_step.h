#pragma once

// What the optimizer does with its tensors. All are fp32 and contiguous, but for moments in bf16.

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/cpu/adamw.h"

namespace cohort::policy {

// The sum of squares of each tensor; not finite where an element is not.
std::vector<double> SquareSums(const std::vector<at::Tensor>& tensors);

struct AdamWOperands {
  at::Tensor parameter, gradient;
  at::Tensor exp_avg, exp_avg_sq;  // with room for whole blocks of kernels::kDrawBlock elements
  int64_t first = 0;               // as kernels::AdamWTensor has them
  double weight_decay = 0;
};

// Whether moments in bf16 are possible there: only our kernels round them by chance.
bool HasBf16Moments(const at::Device& device);

// One step, in place; the rule's dtype of moments is theirs.
void StepAdamW(const std::vector<AdamWOperands>& tensors, const kernels::AdamWRule& rule);

}  // namespace cohort::policy
