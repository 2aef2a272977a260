#include "policy/transformer/attention.h"

#include "policy/transformer/ops/sigmoid.h"

namespace cohort::policy {

AttentionImpl::AttentionImpl(const ModelConfig& config, int64_t layer,
                             const at::TensorOptions& options)
    : config_(config.attention),
      scores_{AttentionScale(config.attention, config.rope), config.attention.WindowOf(layer),
              config.attention.soft_cap},
      rotates_(config.attention.Rotates(layer)) {
  const int64_t q_width = config_.num_heads * config_.head_dim;
  const int64_t kv_width = config_.num_kv_heads * config_.head_dim;
  const auto add = [&](const char* name, int64_t rows) {
    return register_module(name, Linear(config.width, rows, options, config_.qkv_bias));
  };
  if (config.fused_projections) {
    qkv_proj_ = add("qkv_proj", q_width + 2 * kv_width);
  } else {
    q_proj_ = add("q_proj", config_.gated_output ? 2 * q_width : q_width);
    k_proj_ = add("k_proj", kv_width);
    v_proj_ = add("v_proj", kv_width);
  }
  o_proj_ = register_module("o_proj", Linear(q_width, config.width, options, config_.output_bias));
  if (config_.has_sinks) {
    sinks_ = register_parameter("sinks", at::empty({config_.num_heads}, options));
  }
  if (config_.qk_norm == QkNorm::kNone) return;
  const bool by_head = config_.qk_norm == QkNorm::kHead;
  q_norm_ =
      register_module("q_norm", RmsNorm(by_head ? config_.head_dim : q_width, config, options));
  k_norm_ =
      register_module("k_norm", RmsNorm(by_head ? config_.head_dim : kv_width, config, options));
}

AttentionImpl::Projected AttentionImpl::Project(const at::Tensor& x_TD) {
  if (config_.gated_output) {
    const at::Tensor both = q_proj_(x_TD).view({x_TD.size(0), -1, 2, config_.head_dim});
    return {both.select(2, 0), k_proj_(x_TD), v_proj_(x_TD), both.select(2, 1)};
  }
  if (qkv_proj_.is_empty()) return {q_proj_(x_TD), k_proj_(x_TD), v_proj_(x_TD), {}};
  const int64_t kv_width = config_.num_kv_heads * config_.head_dim;
  const std::vector<at::Tensor> parts = qkv_proj_(x_TD).split_with_sizes(
      {config_.num_heads * config_.head_dim, kv_width, kv_width}, 1);
  return {parts[0], parts[1], parts[2], {}};
}

at::Tensor AttentionImpl::Heads(const at::Tensor& rows, RmsNorm& norm, const RopeAngles& rope) {
  const auto heads = [&](const at::Tensor& x) {
    return x.reshape({x.size(0), -1, config_.head_dim});
  };
  const at::Tensor normal = norm.is_empty()                          ? heads(rows)
                            : config_.qk_norm == QkNorm::kProjection ? heads(norm(rows))
                                                                     : norm(heads(rows));
  return rotates_ ? Rotate(normal, rope, /*interleaved=*/false) : normal;
}

at::Tensor AttentionImpl::forward(const at::Tensor& x_TD, const RopeAngles& rope,
                                  const std::vector<Segment>& segments) {
  const Projected rows = Project(x_TD);
  const at::Tensor q = Heads(rows.q, q_norm_, rope), k = Heads(rows.k, k_norm_, rope);
  const at::Tensor v = rows.v.reshape({x_TD.size(0), -1, config_.head_dim});
  const at::Tensor out = AttendSegments(q, k, v, scores_, segments, sinks_);
  return o_proj_(rows.gate.defined() ? out * Sigmoid(rows.gate.flatten(1)) : out);
}

}  // namespace cohort::policy
