#pragma once

#include <torch/torch.h>

#include "policy/matmul.h"

namespace cohort::policy {

// y = x W^T without bias. Starts at zero: weights are always loaded, and never drawn here.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(int64_t in_width, int64_t out_width)
      : weight(register_parameter("weight", torch::zeros({out_width, in_width}))) {}

  at::Tensor forward(const at::Tensor& x_TD) { return Project(x_TD, weight); }

  at::Tensor weight;  // [out, in]
};
TORCH_MODULE(Linear);

}  // namespace cohort::policy
