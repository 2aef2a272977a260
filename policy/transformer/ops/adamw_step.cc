#include "policy/transformer/ops/adamw_step.h"

#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

namespace cohort::policy {
namespace {

// They hold what BackendFor leaves to LibTorch: bf16.
bool SuitsKernels(const at::Tensor& tensor) {
  return tensor.is_cpu() &&
         (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16);
}

bool IsBf16(const at::Tensor& tensor) { return tensor.scalar_type() == at::kBFloat16; }

void StepByKernels(const std::vector<AdamWOperands>& tensors, const kernels::AdamWRule& rule) {
  std::vector<kernels::AdamWTensor> raw;
  for (const AdamWOperands& t : tensors) {
    COHORT_CHECK(t.parameter.is_contiguous() && t.gradient.is_contiguous() &&
                     t.parameter.scalar_type() == t.gradient.scalar_type(),
                 "the optimizer goes along memory, of a parameter and a gradient of its dtype");
    raw.push_back({t.parameter.mutable_data_ptr(), t.gradient.const_data_ptr(),
                   t.exp_avg.mutable_data_ptr(), t.exp_avg_sq.mutable_data_ptr(),
                   t.parameter.numel(), t.first, t.weight_decay, IsBf16(t.parameter)});
  }
  kernels::StepAdamW(raw, rule, kernels::BestOps(), RunTasks);
}

struct FusedLists {
  std::vector<at::Tensor> parameters, gradients, exp_avgs, exp_avg_sqs, steps;
};

void StepByLibTorch(const std::vector<AdamWOperands>& tensors, const kernels::AdamWRule& rule) {
  COHORT_CHECK(!rule.bf16_moments, "LibTorch rounds no moments by chance");
  const auto scalar = tensors.front().parameter.options().requires_grad(false);
  const at::Tensor step = at::full({}, static_cast<double>(rule.step), scalar);
  std::map<double, FusedLists> by_decay;
  for (const AdamWOperands& t : tensors) {
    FusedLists& lists = by_decay[t.weight_decay];
    const auto shaped = [&](const at::Tensor& moment) {
      return moment.narrow(0, 0, t.parameter.numel()).view(t.parameter.sizes());
    };
    lists.parameters.push_back(t.parameter);
    lists.gradients.push_back(t.gradient);
    lists.exp_avgs.push_back(shaped(t.exp_avg));
    lists.exp_avg_sqs.push_back(shaped(t.exp_avg_sq));
    lists.steps.push_back(step);
  }
  // The kernel divides each gradient as it reads it.
  const at::Tensor divisor = at::full({}, 1 / rule.gradient_scale, scalar);
  for (auto& [weight_decay, lists] : by_decay) {
    at::_fused_adamw_(lists.parameters, lists.gradients, lists.exp_avgs, lists.exp_avg_sqs,
                      /*max_exp_avg_sqs=*/{}, lists.steps, rule.learning_rate, rule.beta1,
                      rule.beta2, weight_decay, rule.epsilon, /*amsgrad=*/false,
                      /*maximize=*/false, divisor, /*found_inf=*/{});
  }
}

Backend BackendOf(const std::vector<at::Tensor>& tensors) {
  const bool own = std::all_of(tensors.begin(), tensors.end(), SuitsKernels);
  return own ? Backend::kOwnCpu : Backend::kLibTorch;
}

std::vector<double> SquareSumsByKernels(const std::vector<at::Tensor>& tensors) {
  std::vector<kernels::GradientValues> raw;
  for (const at::Tensor& tensor : tensors) {
    COHORT_CHECK(tensor.is_contiguous(), "sums of squares go along memory");
    raw.push_back({tensor.const_data_ptr(), tensor.numel(), IsBf16(tensor)});
  }
  return kernels::SquareSums(raw, kernels::BestOps(), RunTasks);
}

std::vector<double> SquareSumsByLibTorch(const std::vector<at::Tensor>& tensors) {
  // fp32 sums over more elements than this lose digits (4e-4 of the norm at 28 million).
  constexpr int64_t kNormChunk = int64_t{1} << 20;
  std::vector<at::Tensor> chunks;
  std::vector<size_t> tensor_of;
  for (size_t i = 0; i < tensors.size(); ++i) {
    for (const at::Tensor& chunk : tensors[i].reshape({-1}).split(kNormChunk)) {
      chunks.push_back(chunk);
      tensor_of.push_back(i);
    }
  }
  const at::Tensor norms = at::stack(at::_foreach_norm(chunks, 2)).to(at::kCPU, at::kDouble);
  const double* norm = norms.const_data_ptr<double>();
  std::vector<double> sums(tensors.size());
  for (size_t i = 0; i < tensor_of.size(); ++i) sums[tensor_of[i]] += norm[i] * norm[i];
  return sums;
}

}  // namespace

std::vector<double> SquareSums(const std::vector<at::Tensor>& tensors) {
  switch (BackendOf(tensors)) {
    case Backend::kOwnCpu:
      return SquareSumsByKernels(tensors);
    case Backend::kLibTorch:
      return SquareSumsByLibTorch(tensors);
  }
  return {};
}

bool RoundsByChance(const at::Device& device) { return device.is_cpu(); }

void AddGradients(const std::vector<GradientAddition>& additions, uint64_t step,
                  uint64_t addition) {
  std::vector<kernels::Bf16Sum> raw;
  for (const GradientAddition& one : additions) {
    COHORT_CHECK(RoundsByChance(one.sum.device()) && one.sum.is_contiguous() &&
                     one.x.is_contiguous() && one.x.numel() == one.sum.numel(),
                 "sums of gradients in bf16 go along memory of the CPU");
    raw.push_back({reinterpret_cast<uint16_t*>(one.sum.mutable_data_ptr<at::BFloat16>()),
                   reinterpret_cast<const uint16_t*>(one.x.const_data_ptr<at::BFloat16>()),
                   one.sum.numel(), one.first});
  }
  kernels::AddToBf16(raw, step, addition, kernels::BestOps(), RunTasks);
}

void StepAdamW(const std::vector<AdamWOperands>& tensors, const kernels::AdamWRule& rule) {
  if (tensors.empty()) return;
  switch (BackendOf({tensors.front().parameter, tensors.front().gradient})) {
    case Backend::kOwnCpu:
      return StepByKernels(tensors, rule);
    case Backend::kLibTorch:
      return StepByLibTorch(tensors, rule);
  }
}

}  // namespace cohort::policy
