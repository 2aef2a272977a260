#pragma once

#include <torch/nn/module.h>

#include "policy/config/config.h"
#include "policy/transformer/linear.h"
#include "policy/transformer/ops/gated_unit.h"

namespace cohort::policy {

// down(unit(gate(x), up(x))): a dense layer's FFN, and the shared expert of a MoE layer.
class FeedForwardImpl : public torch::nn::Module {
 public:
  FeedForwardImpl(const ModelConfig& config, int64_t ffn_width, const at::TensorOptions& options);

  at::Tensor forward(const at::Tensor& x_TD);

 private:
  GatedUnit unit_;
  Linear gate_up_proj_{nullptr};  // this one, rows of gate and up, or the next two
  Linear gate_proj_{nullptr};
  Linear up_proj_{nullptr};
  Linear down_proj_{nullptr};
};
TORCH_MODULE(FeedForward);

}  // namespace cohort::policy
