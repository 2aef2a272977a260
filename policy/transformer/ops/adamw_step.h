#pragma once

// What the optimizer does with its tensors. All are contiguous; moments are fp32 or bf16, and so is
// a parameter, whose gradient has its dtype.

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

// Whether moments and parameters in bf16 are possible there: only our kernels round by chance.
bool RoundsByChance(const at::Device& device);

// sum += x of bf16 tensors, the `addition`-th to this sum in `step` (kernels::AddToBf16).
struct GradientAddition {
  at::Tensor sum, x;
  int64_t first = 0;  // as kernels::AdamWTensor has it
};
void AddGradients(const std::vector<GradientAddition>& additions, uint64_t step, uint64_t addition);

// One step, in place; the rule's dtype of moments is theirs.
void StepAdamW(const std::vector<AdamWOperands>& tensors, const kernels::AdamWRule& rule);

}  // namespace cohort::policy
