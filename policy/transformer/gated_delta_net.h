#pragma once

#include <torch/nn/module.h>

#include "policy/config/config.h"
#include "policy/transformer/linear.h"
#include "policy/transformer/ops/attend_segments.h"

namespace cohort::policy {

// The weight of a convolution of each channel by itself, under torch.nn.Conv1d's name and shape.
class ChannelConvImpl : public torch::nn::Module {
 public:
  ChannelConvImpl(int64_t channels, int64_t width, const at::TensorOptions& options)
      : weight(register_parameter("weight", at::empty({channels, 1, width}, options))) {}

  at::Tensor weight;  // [channels, 1, width]
};
TORCH_MODULE(ChannelConv);

// The weight of a norm that its module applies.
class NormWeightImpl : public torch::nn::Module {
 public:
  NormWeightImpl(int64_t width, const at::TensorOptions& options)
      : weight(register_parameter("weight", at::ones({width}, options))) {}

  at::Tensor weight;  // [width]
};
TORCH_MODULE(NormWeight);

// A gated delta net (arXiv 2412.06464) as Qwen3-Next has it: queries, keys and values pass a short
// causal convolution, queries and keys have length 1, and each head's output is normalised and
// multiplied by silu of a gate. It has no positions.
class GatedDeltaNetImpl : public torch::nn::Module {
 public:
  GatedDeltaNetImpl(const ModelConfig& config, const at::TensorOptions& options);

  at::Tensor forward(const at::Tensor& x_TD, const std::vector<Segment>& segments);

 private:
  struct Projections {
    at::Tensor qkv;   // [T, 2 * keys + values], as the convolution takes them
    at::Tensor gate;  // [T, H, value_dim]
    at::Tensor b, a;  // [T, H]
  };
  Projections Project(const at::Tensor& x_TD);
  // [T, G * key_dim] -> [T, G, key_dim], each head of length `scale`.
  at::Tensor Normalized(const at::Tensor& x, double scale) const;

  LinearAttentionConfig config_;
  double norm_eps_;
  Linear in_proj_qkvz_{nullptr};  // these two or the next four
  Linear in_proj_ba_{nullptr};
  Linear in_proj_qkv_{nullptr};
  Linear in_proj_z_{nullptr};
  Linear in_proj_b_{nullptr};
  Linear in_proj_a_{nullptr};
  ChannelConv conv1d_{nullptr};
  at::Tensor dt_bias_, a_log_;  // [H]
  NormWeight norm_{nullptr};
  Linear out_proj_{nullptr};
};
TORCH_MODULE(GatedDeltaNet);

}  // namespace cohort::policy
