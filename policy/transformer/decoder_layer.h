#pragma once

#include <torch/nn/module.h>

#include <vector>

#include "policy/transformer/attention.h"
#include "policy/transformer/feed_forward.h"
#include "policy/transformer/gated_delta_net.h"
#include "policy/transformer/latent_attention.h"
#include "policy/transformer/moe.h"
#include "policy/transformer/rms_norm.h"

namespace cohort::policy {

// x + s norm(attention(norm(x))), then x + s norm(ffn(norm(x))), with the norms that the model has
// and its residual_scale s; the ffn is dense or a mixture of experts, and in the place of attention
// there may be a gated delta net.
class DecoderLayerImpl : public torch::nn::Module {
 public:
  DecoderLayerImpl(const ModelConfig& config, int64_t layer, const at::TensorOptions& options);

  at::Tensor forward(const at::Tensor& x_TD, const RopeAngles& rope,
                     const std::vector<Segment>& segments);
  MixtureOfExperts& moe() { return moe_; }  // empty in a dense layer

 private:
  at::Tensor Attend(const at::Tensor& input_TD, const RopeAngles& rope,
                    const std::vector<Segment>& segments);
  at::Tensor Add(const at::Tensor& x_TD, const at::Tensor& out_TD, RmsNorm& norm) const;

  double residual_scale_;
  // Of what attention and FFN take and give; empty where the model has none.
  RmsNorm attention_in_{nullptr};
  RmsNorm attention_out_{nullptr};
  RmsNorm ffn_in_{nullptr};
  RmsNorm ffn_out_{nullptr};
  Attention self_attn_{nullptr};  // one of three
  LatentAttention latent_attn_{nullptr};
  GatedDeltaNet linear_attn_{nullptr};
  FeedForward dense_{nullptr};
  MixtureOfExperts moe_{nullptr};
};
TORCH_MODULE(DecoderLayer);

}  // namespace cohort::policy
