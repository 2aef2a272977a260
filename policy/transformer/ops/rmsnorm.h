#pragma once

#include <torch/torch.h>

namespace cohort::policy {

// weight * x / sqrt(mean(x^2) + eps) over the last dimension (arXiv 1910.07467), in fp32; the
// normalised value is rounded to x's dtype before it meets the weight, as transformers does.
at::Tensor RmsNormalize(const at::Tensor& x_TD, const at::Tensor& weight_D, double eps);

class RmsNormImpl : public torch::nn::Module {
 public:
  RmsNormImpl(int64_t width, double eps)
      : weight(register_parameter("weight", torch::ones({width}))), eps_(eps) {}

  at::Tensor forward(const at::Tensor& x_TD) { return RmsNormalize(x_TD, weight, eps_); }

  at::Tensor weight;  // [D]

 private:
  double eps_;
};
TORCH_MODULE(RmsNorm);

}  // namespace cohort::policy
