#pragma once

#include <torch/torch.h>

#include "policy/transformer/ops/rms_normalize.h"

namespace cohort::policy {

class RmsNormImpl : public torch::nn::Module {
 public:
  RmsNormImpl(int64_t width, double eps, const at::TensorOptions& options)
      : weight(register_parameter("weight", torch::ones({width}, options))), eps_(eps) {}

  at::Tensor forward(const at::Tensor& x_TD) { return RmsNormalize(x_TD, weight, eps_); }

  at::Tensor weight;  // [D]

 private:
  double eps_;
};
TORCH_MODULE(RmsNorm);

}  // namespace cohort::policy
