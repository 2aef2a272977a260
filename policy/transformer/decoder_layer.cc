#include "policy/transformer/decoder_layer.h"

namespace cohort::policy {

DecoderLayerImpl::DecoderLayerImpl(const ModelConfig& config, int64_t layer,
                                   const at::TensorOptions& options) {
  input_layernorm_ =
      register_module("input_layernorm", RmsNorm(config.width, config.norm_eps, options));
  if (config.attention.latent()) {
    latent_attn_ = register_module("self_attn", LatentAttention(config, options));
  } else {
    self_attn_ = register_module("self_attn", Attention(config, layer, options));
  }
  post_attention_layernorm_ =
      register_module("post_attention_layernorm", RmsNorm(config.width, config.norm_eps, options));
  if (config.IsMoeLayer(layer)) {
    moe_ = register_module("mlp", MixtureOfExperts(config, options));
  } else {
    dense_ = register_module("mlp", FeedForward(config.width, config.ffn_width, options));
  }
}

at::Tensor DecoderLayerImpl::forward(const at::Tensor& x_TD, const RopeAngles& rope,
                                     const std::vector<Segment>& segments) {
  const at::Tensor input = input_layernorm_(x_TD);
  const at::Tensor attended = x_TD + (self_attn_.is_empty() ? latent_attn_(input, rope, segments)
                                                            : self_attn_(input, rope, segments));
  const at::Tensor normal = post_attention_layernorm_(attended);
  return attended + (moe_.is_empty() ? dense_(normal) : moe_(normal));
}

}  // namespace cohort::policy
