#include "policy/transformer/attention.h"

namespace cohort::policy {
AttentionImpl::AttentionImpl(const ModelConfig& config, int64_t layer,
                             const at::TensorOptions& options)
    : config_(config.attention),
      scores_{AttentionScale(config.attention, config.rope), config.attention.WindowOf(layer)} {
  const int64_t q_width = config_.num_heads * config_.head_dim;
  const int64_t kv_width = config_.num_kv_heads * config_.head_dim;
  q_proj_ = register_module("q_proj", Linear(config.width, q_width, options, config_.qkv_bias));
  k_proj_ = register_module("k_proj", Linear(config.width, kv_width, options, config_.qkv_bias));
  v_proj_ = register_module("v_proj", Linear(config.width, kv_width, options, config_.qkv_bias));
  o_proj_ = register_module("o_proj", Linear(q_width, config.width, options));
  if (config_.qk_norm) {
    q_norm_ = register_module("q_norm", RmsNorm(config_.head_dim, config.norm_eps, options));
    k_norm_ = register_module("k_norm", RmsNorm(config_.head_dim, config.norm_eps, options));
  }
}

at::Tensor AttentionImpl::Heads(Linear& projection, RmsNorm& norm, const at::Tensor& x_TD) {
  const at::Tensor heads = projection(x_TD).view({x_TD.size(0), -1, config_.head_dim});
  return norm.is_empty() ? heads : norm(heads);
}

at::Tensor AttentionImpl::forward(const at::Tensor& x_TD, const RopeAngles& rope,
                                  const std::vector<Segment>& segments) {
  const at::Tensor q = Rotate(Heads(q_proj_, q_norm_, x_TD), rope, /*interleaved=*/false);
  const at::Tensor k = Rotate(Heads(k_proj_, k_norm_, x_TD), rope, /*interleaved=*/false);
  const at::Tensor v = v_proj_(x_TD).view({x_TD.size(0), -1, config_.head_dim});
  return o_proj_(AttendSegments(q, k, v, scores_, segments));
}

}  // namespace cohort::policy
