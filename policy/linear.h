#pragma once

#include <torch/torch.h>

#include "policy/matmul.h"

namespace cohort::policy {

// y = x W^T + b. Not initialised: weights are always loaded, and never drawn here.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(int64_t in_width, int64_t out_width, bool has_bias = false)
      : weight(register_parameter("weight", torch::empty({out_width, in_width}))) {
    if (has_bias) bias = register_parameter("bias", torch::empty({out_width}));
  }

  at::Tensor forward(const at::Tensor& x_TD) {
    const at::Tensor y = Project(x_TD, weight);
    return bias.defined() ? y + bias : y;
  }

  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out], undefined without one
};
TORCH_MODULE(Linear);

}  // namespace cohort::policy
