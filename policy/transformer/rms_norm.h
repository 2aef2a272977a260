#pragma once

#include <torch/nn/module.h>

#include "policy/config/config.h"
#include "policy/transformer/ops/rms_normalize.h"

namespace cohort::policy {

// Not initialised: weights are always loaded.
class RmsNormImpl : public torch::nn::Module {
 public:
  RmsNormImpl(int64_t width, double eps, const at::TensorOptions& options)
      : weight(register_parameter("weight", at::empty({width}, options))), eps_(eps) {}
  // One of the model's own norms.
  RmsNormImpl(int64_t width, const ModelConfig& config, const at::TensorOptions& options)
      : RmsNormImpl(width, config.norm_eps, options) {
    adds_one_ = config.norm_adds_one;
  }

  at::Tensor forward(const at::Tensor& x_TD) {
    return RmsNormalize(x_TD, adds_one_ ? weight + 1 : weight, eps_);
  }

  at::Tensor weight;  // [D]

 private:
  double eps_;
  bool adds_one_ = false;
};
TORCH_MODULE(RmsNorm);

}  // namespace cohort::policy
