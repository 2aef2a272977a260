#include "policy/decoder_stack.h"

namespace cohort::policy {

DecoderLayerImpl::DecoderLayerImpl(const ModelConfig& config, int64_t layer) {
  input_layernorm_ = register_module("input_layernorm", RmsNorm(config.width, config.norm_eps));
  if (config.attention.latent()) {
    latent_attn_ = register_module("self_attn", LatentAttention(config));
  } else {
    self_attn_ = register_module("self_attn", Attention(config));
  }
  post_attention_layernorm_ =
      register_module("post_attention_layernorm", RmsNorm(config.width, config.norm_eps));
  if (config.IsMoeLayer(layer)) {
    moe_ = register_module("mlp", MixtureOfExperts(config));
  } else {
    dense_ = register_module("mlp", FeedForward(config.width, config.ffn_width));
  }
}

at::Tensor DecoderLayerImpl::forward(const at::Tensor& x_TD, const RopeTable& rope,
                                     const std::vector<Segment>& segments) {
  const at::Tensor input = input_layernorm_(x_TD);
  const at::Tensor attended = x_TD + (self_attn_.is_empty() ? latent_attn_(input, rope, segments)
                                                            : self_attn_(input, rope, segments));
  const at::Tensor normal = post_attention_layernorm_(attended);
  return attended + (moe_.is_empty() ? dense_(normal) : moe_(normal));
}

DecoderStackImpl::DecoderStackImpl(const ModelConfig& config)
    : rope_(ComputeRopeFrequencies(config.rope, config.attention.rotary_dim())) {
  embed_tokens_ = register_module("embed_tokens", EmbeddingTable(config.vocab_size, config.width));
  torch::nn::ModuleList list;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    layers_.push_back(DecoderLayer(config, layer));
    list->push_back(layers_.back());
  }
  register_module("layers", list);
  norm_ = register_module("norm", RmsNorm(config.width, config.norm_eps));
}

at::Tensor DecoderStackImpl::forward(const at::Tensor& ids_T, const at::Tensor& positions_T,
                                     const std::vector<Segment>& segments) {
  const RopeTable rope = MakeRopeTable(positions_T, rope_);
  at::Tensor hidden_TD = at::embedding(embed_tokens_->weight, ids_T);
  for (DecoderLayer& layer : layers_) hidden_TD = layer(hidden_TD, rope, segments);
  return norm_(hidden_TD);
}

std::vector<MixtureOfExperts> DecoderStackImpl::MoeLayers() {
  std::vector<MixtureOfExperts> out;
  for (DecoderLayer& layer : layers_) {
    if (!layer->moe().is_empty()) out.push_back(layer->moe());
  }
  return out;
}

}  // namespace cohort::policy
