#pragma once

#include <torch/torch.h>

#include <vector>

#include "policy/transformer/attention.h"
#include "policy/transformer/feed_forward.h"
#include "policy/transformer/latent_attention.h"
#include "policy/transformer/moe.h"
#include "policy/transformer/rms_norm.h"

namespace cohort::policy {

// x + attention(norm(x)), then x + ffn(norm(x)); the ffn is dense or a mixture of experts.
class DecoderLayerImpl : public torch::nn::Module {
 public:
  DecoderLayerImpl(const ModelConfig& config, int64_t layer, const at::TensorOptions& options);

  at::Tensor forward(const at::Tensor& x_TD, const RopeAngles& rope,
                     const std::vector<Segment>& segments);
  MixtureOfExperts& moe() { return moe_; }  // empty in a dense layer

 private:
  RmsNorm input_layernorm_{nullptr};
  Attention self_attn_{nullptr};  // this one or the next
  LatentAttention latent_attn_{nullptr};
  RmsNorm post_attention_layernorm_{nullptr};
  FeedForward dense_{nullptr};
  MixtureOfExperts moe_{nullptr};
};
TORCH_MODULE(DecoderLayer);

}  // namespace cohort::policy
