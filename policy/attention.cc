#include "policy/attention.h"

namespace cohort::policy {
namespace {

// [n * L, H, d] -> [n, H, L, d], a view.
at::Tensor HeadsFirst(const at::Tensor& rows, const SequenceGroup& group) {
  return rows.view({group.count, group.length, rows.size(1), rows.size(2)}).transpose(1, 2);
}

}  // namespace

at::Tensor AttendWithinSequences(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 double scale, const std::vector<SequenceGroup>& groups) {
  std::vector<int64_t> rows;
  for (const SequenceGroup& group : groups) rows.push_back(group.length * group.count);
  // split, not narrow: its gradient is one concatenation, narrow's a full-size zero tensor a piece.
  const std::vector<at::Tensor> q_parts = q.split_with_sizes(rows);
  const std::vector<at::Tensor> k_parts = k.split_with_sizes(rows);
  const std::vector<at::Tensor> v_parts = v.split_with_sizes(rows);
  const bool shares_heads = q.size(1) != k.size(1);
  std::vector<at::Tensor> out;
  for (size_t g = 0; g < groups.size(); ++g) {
    const at::Tensor attended = at::scaled_dot_product_attention(
        HeadsFirst(q_parts[g], groups[g]), HeadsFirst(k_parts[g], groups[g]),
        HeadsFirst(v_parts[g], groups[g]), /*attn_mask=*/{}, /*dropout_p=*/0.0, /*is_causal=*/true,
        scale, shares_heads);
    out.push_back(attended.transpose(1, 2).reshape({rows[g], q.size(1) * v.size(2)}));
  }
  return out.size() == 1 ? out[0] : at::cat(out);
}

AttentionImpl::AttentionImpl(const ModelConfig& config)
    : config_(config.attention), scale_(AttentionScale(config.attention, config.rope)) {
  const int64_t q_width = config_.num_heads * config_.head_dim;
  const int64_t kv_width = config_.num_kv_heads * config_.head_dim;
  q_proj_ = register_module("q_proj", Linear(config.width, q_width, config_.qkv_bias));
  k_proj_ = register_module("k_proj", Linear(config.width, kv_width, config_.qkv_bias));
  v_proj_ = register_module("v_proj", Linear(config.width, kv_width, config_.qkv_bias));
  o_proj_ = register_module("o_proj", Linear(q_width, config.width));
  if (config_.qk_norm) {
    q_norm_ = register_module("q_norm", RmsNorm(config_.head_dim, config.norm_eps));
    k_norm_ = register_module("k_norm", RmsNorm(config_.head_dim, config.norm_eps));
  }
}

at::Tensor AttentionImpl::Heads(Linear& projection, RmsNorm& norm, const at::Tensor& x_TD) {
  const at::Tensor heads = projection(x_TD).view({x_TD.size(0), -1, config_.head_dim});
  return norm.is_empty() ? heads : norm(heads);
}

at::Tensor AttentionImpl::forward(const at::Tensor& x_TD, const RopeTable& rope,
                                  const std::vector<SequenceGroup>& groups) {
  const at::Tensor q = Rotate(Heads(q_proj_, q_norm_, x_TD), rope, /*interleaved=*/false);
  const at::Tensor k = Rotate(Heads(k_proj_, k_norm_, x_TD), rope, /*interleaved=*/false);
  const at::Tensor v = v_proj_(x_TD).view({x_TD.size(0), -1, config_.head_dim});
  return o_proj_(AttendWithinSequences(q, k, v, scale_, groups));
}

}  // namespace cohort::policy
