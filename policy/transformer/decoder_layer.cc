#include "policy/transformer/decoder_layer.h"

#include "policy/weights/weights.h"

namespace cohort::policy {
namespace {

at::Tensor Normal(RmsNorm& norm, const at::Tensor& x) { return norm.is_empty() ? x : norm(x); }

}  // namespace

DecoderLayerImpl::DecoderLayerImpl(const ModelConfig& config, int64_t layer,
                                   const at::TensorOptions& options)
    : residual_scale_(config.residual_scale) {
  const LayerNormNames names = NormNames(config.norm_placement);
  const auto norm = [&](const std::string& name) {
    return name.empty() ? RmsNorm(nullptr)
                        : register_module(name, RmsNorm(config.width, config, options));
  };
  attention_in_ = norm(names.attention_in);
  if (config.linear.Has(layer)) {
    linear_attn_ = register_module("linear_attn", GatedDeltaNet(config, options));
  } else if (config.attention.latent()) {
    latent_attn_ = register_module("self_attn", LatentAttention(config, options));
  } else {
    self_attn_ = register_module("self_attn", Attention(config, layer, options));
  }
  attention_out_ = norm(names.attention_out);
  ffn_in_ = norm(names.ffn_in);
  if (config.IsMoeLayer(layer)) {
    moe_ = register_module("mlp", MixtureOfExperts(config, options));
  } else {
    dense_ = register_module("mlp", FeedForward(config, config.ffn_width, options));
  }
  ffn_out_ = norm(names.ffn_out);
}

at::Tensor DecoderLayerImpl::Attend(const at::Tensor& input_TD, const RopeAngles& rope,
                                    const std::vector<Segment>& segments) {
  if (!linear_attn_.is_empty()) return linear_attn_(input_TD, segments);
  if (!latent_attn_.is_empty()) return latent_attn_(input_TD, rope, segments);
  return self_attn_(input_TD, rope, segments);
}

at::Tensor DecoderLayerImpl::Add(const at::Tensor& x_TD, const at::Tensor& out_TD,
                                 RmsNorm& norm) const {
  const at::Tensor added = Normal(norm, out_TD);
  return residual_scale_ == 1.0 ? x_TD + added : at::add(x_TD, added, residual_scale_);
}

at::Tensor DecoderLayerImpl::forward(const at::Tensor& x_TD, const RopeAngles& rope,
                                     const std::vector<Segment>& segments) {
  const at::Tensor input = Normal(attention_in_, x_TD);
  const at::Tensor attended = Add(x_TD, Attend(input, rope, segments), attention_out_);
  const at::Tensor normal = Normal(ffn_in_, attended);
  return Add(attended, moe_.is_empty() ? dense_(normal) : moe_(normal), ffn_out_);
}

}  // namespace cohort::policy
