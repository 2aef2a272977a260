#include "policy/transformer/gated_delta_net.h"

#include <cmath>

#include "policy/config/linear_attention.h"
#include "policy/transformer/ops/causal_conv.h"
#include "policy/transformer/ops/gated_delta_rule.h"
#include "policy/transformer/ops/numerics.h"
#include "policy/transformer/ops/rms_normalize.h"

namespace cohort::policy {

GatedDeltaNetImpl::GatedDeltaNetImpl(const ModelConfig& config, const at::TensorOptions& options)
    : config_(config.linear), norm_eps_(config.norm_eps) {
  const int64_t width = config.width, heads = config_.num_value_heads;
  const int64_t values = ValueWidth(config_), channels = ConvChannels(config_);
  const auto add = [&](const char* name, int64_t from, int64_t to) {
    return register_module(name, Linear(from, to, options));
  };
  if (config_.separate_projections) {
    in_proj_qkv_ = add("in_proj_qkv", width, channels);
    in_proj_z_ = add("in_proj_z", width, values);
    in_proj_b_ = add("in_proj_b", width, heads);
    in_proj_a_ = add("in_proj_a", width, heads);
  } else {
    in_proj_qkvz_ = add("in_proj_qkvz", width, channels + values);
    in_proj_ba_ = add("in_proj_ba", width, 2 * heads);
  }
  conv1d_ = register_module("conv1d", ChannelConv(channels, config_.conv_width, options));
  dt_bias_ = register_parameter("dt_bias", at::ones({heads}, options));
  a_log_ = register_parameter("A_log", at::zeros({heads}, options));
  norm_ = register_module("norm", NormWeight(config_.value_dim, options));
  out_proj_ = add("out_proj", values, width);
}

GatedDeltaNetImpl::Projections GatedDeltaNetImpl::Project(const at::Tensor& x_TD) {
  const int64_t tokens = x_TD.size(0), heads = config_.num_value_heads;
  const auto gates = [&](Linear& projection) {
    const HigherPrecisionScope higher;
    return projection(x_TD);
  };
  if (config_.separate_projections) {
    return {in_proj_qkv_(x_TD), in_proj_z_(x_TD).view({tokens, heads, config_.value_dim}),
            gates(in_proj_b_), gates(in_proj_a_)};
  }
  // Each key head has its query, its key, and the values, gates, b and a of its value heads.
  const int64_t groups = config_.num_key_heads, per_group = heads / groups;
  const std::vector<at::Tensor> parts =
      in_proj_qkvz_(x_TD)
          .view({tokens, groups, -1})
          .split_with_sizes({config_.key_dim, config_.key_dim, per_group * config_.value_dim,
                             per_group * config_.value_dim},
                            2);
  const at::Tensor ba = gates(in_proj_ba_).view({tokens, groups, 2, per_group});
  return {at::cat({parts[0].reshape({tokens, -1}), parts[1].reshape({tokens, -1}),
                   parts[2].reshape({tokens, -1})},
                  1),
          parts[3].reshape({tokens, heads, config_.value_dim}),
          ba.select(2, 0).reshape({tokens, heads}), ba.select(2, 1).reshape({tokens, heads})};
}

at::Tensor GatedDeltaNetImpl::Normalized(const at::Tensor& x, double scale) const {
  // x / sqrt(sum(x^2) + eps) is an RMSNorm whose weight is n^-1/2.
  const int64_t n = config_.key_dim;
  const at::Tensor heads = x.reshape({x.size(0), config_.num_key_heads, n});
  const at::Tensor weight =
      at::full({n}, scale / std::sqrt(static_cast<double>(n)), heads.options());
  return RmsNormalize(heads, weight, kDeltaKeyNormEps / static_cast<double>(n));
}

at::Tensor GatedDeltaNetImpl::forward(const at::Tensor& x_TD,
                                      const std::vector<Segment>& segments) {
  const int64_t tokens = x_TD.size(0), heads = config_.num_value_heads;
  const at::ScalarType narrow = x_TD.scalar_type();
  const at::ScalarType wide = narrow == at::kDouble ? at::kDouble : at::kFloat;
  const Projections in = Project(x_TD);
  const std::vector<at::Tensor> mixed =
      CausalConvSilu(in.qkv, conv1d_->weight.squeeze(1), segments)
          .to(wide)
          .split_with_sizes({KeyWidth(config_), KeyWidth(config_), ValueWidth(config_)}, 1);
  const at::Tensor rate = at::softplus(in.a.to(wide) + dt_bias_.to(wide));
  const DeltaRuleInput rule{
      .q = Normalized(mixed[0], 1 / std::sqrt(static_cast<double>(config_.key_dim))),
      .k = Normalized(mixed[1], 1),
      .v = mixed[2].reshape({tokens, heads, config_.value_dim}),
      .log_decay = -a_log_.to(wide).exp() * rate,
      .beta = in.b.to(wide).sigmoid()};
  const at::Tensor out = GatedDeltaRule(rule, segments).to(narrow).view_as(in.gate);
  const at::Tensor normal = RmsNormalize(out, norm_->weight, norm_eps_);
  const at::Tensor gated = (normal * at::silu(in.gate.to(wide))).to(narrow);
  return out_proj_(gated.reshape({tokens, ValueWidth(config_)}));
}

}  // namespace cohort::policy
