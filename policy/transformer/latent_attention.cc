#include "policy/transformer/latent_attention.h"

#include "policy/transformer/attention.h"
#include "policy/transformer/ops/attend_segments.h"

namespace cohort::policy {

LatentAttentionImpl::LatentAttentionImpl(const ModelConfig& config,
                                         const at::TensorOptions& options)
    : config_(config.attention),
      interleaved_(config.rope.interleaved),
      scale_(AttentionScale(config.attention, config.rope)) {
  const int64_t width = config.width;
  const int64_t q_width = config_.num_heads * config_.query_dim();
  const int64_t kv_width = config_.num_heads * (config_.qk_nope_head_dim + config_.v_head_dim);
  const int64_t latent = config_.kv_lora_rank;
  if (config_.q_lora_rank > 0) {
    q_a_proj_ = register_module("q_a_proj", Linear(width, config_.q_lora_rank, options));
    q_a_layernorm_ =
        register_module("q_a_layernorm", RmsNorm(config_.q_lora_rank, kLatentNormEps, options));
    q_b_proj_ = register_module("q_b_proj", Linear(config_.q_lora_rank, q_width, options));
  } else {
    q_proj_ = register_module("q_proj", Linear(width, q_width, options));
  }
  kv_a_proj_with_mqa_ = register_module("kv_a_proj_with_mqa",
                                        Linear(width, latent + config_.qk_rope_head_dim, options));
  kv_a_layernorm_ = register_module("kv_a_layernorm", RmsNorm(latent, kLatentNormEps, options));
  kv_b_proj_ = register_module("kv_b_proj", Linear(latent, kv_width, options));
  o_proj_ =
      register_module("o_proj", Linear(config_.num_heads * config_.v_head_dim, width, options));
}

at::Tensor LatentAttentionImpl::Queries(const at::Tensor& x_TD, const RopeAngles& rope) {
  const at::Tensor q =
      (q_proj_.is_empty() ? q_b_proj_(q_a_layernorm_(q_a_proj_(x_TD))) : q_proj_(x_TD))
          .view({x_TD.size(0), config_.num_heads, config_.query_dim()});
  const std::vector<at::Tensor> parts =
      q.split_with_sizes({config_.qk_nope_head_dim, config_.qk_rope_head_dim}, -1);
  return at::cat({parts[0], Rotate(parts[1], rope, interleaved_)}, -1);
}

at::Tensor LatentAttentionImpl::forward(const at::Tensor& x_TD, const RopeAngles& rope,
                                        const std::vector<Segment>& segments) {
  const int64_t tokens = x_TD.size(0), heads = config_.num_heads;
  const std::vector<at::Tensor> compressed = kv_a_proj_with_mqa_(x_TD).split_with_sizes(
      {config_.kv_lora_rank, config_.qk_rope_head_dim}, -1);
  const std::vector<at::Tensor> expanded =
      kv_b_proj_(kv_a_layernorm_(compressed[0]))
          .view({tokens, heads, config_.qk_nope_head_dim + config_.v_head_dim})
          .split_with_sizes({config_.qk_nope_head_dim, config_.v_head_dim}, -1);
  // One rotated key for all heads.
  const at::Tensor shared = Rotate(compressed[1].unsqueeze(1), rope, interleaved_);
  const at::Tensor k =
      at::cat({expanded[0], shared.expand({tokens, heads, config_.qk_rope_head_dim})}, -1);
  return o_proj_(AttendSegments(Queries(x_TD, rope), k, expanded[1], {scale_}, segments));
}

}  // namespace cohort::policy
