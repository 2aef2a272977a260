#include "policy/attention.h"

namespace cohort::policy {
namespace {

// [n * L, H, d] -> [n, H, L, d], a view.
at::Tensor HeadsFirst(const at::Tensor& rows, const SequenceGroup& group) {
  return rows.view({group.count, group.length, rows.size(1), rows.size(2)}).transpose(1, 2);
}

}  // namespace

at::Tensor AttendWithinSequences(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 const std::vector<SequenceGroup>& groups) {
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
        /*scale=*/std::nullopt, shares_heads);
    out.push_back(attended.transpose(1, 2).reshape({rows[g], q.size(1) * q.size(2)}));
  }
  return out.size() == 1 ? out[0] : at::cat(out);
}

AttentionImpl::AttentionImpl(const ModelConfig& config)
    : num_heads_(config.num_heads), num_kv_heads_(config.num_kv_heads), head_dim_(config.head_dim) {
  const int64_t q_width = num_heads_ * head_dim_;
  const int64_t kv_width = num_kv_heads_ * head_dim_;
  q_proj_ = register_module("q_proj", Linear(config.width, q_width));
  k_proj_ = register_module("k_proj", Linear(config.width, kv_width));
  v_proj_ = register_module("v_proj", Linear(config.width, kv_width));
  o_proj_ = register_module("o_proj", Linear(q_width, config.width));
}

at::Tensor AttentionImpl::forward(const at::Tensor& x_TD, const RopeTable& rope,
                                  const std::vector<SequenceGroup>& groups) {
  const int64_t tokens = x_TD.size(0);
  const at::Tensor q = q_proj_(x_TD).view({tokens, num_heads_, head_dim_});
  const at::Tensor k = k_proj_(x_TD).view({tokens, num_kv_heads_, head_dim_});
  const at::Tensor v = v_proj_(x_TD).view({tokens, num_kv_heads_, head_dim_});
  return o_proj_(AttendWithinSequences(Rotate(q, rope), Rotate(k, rope), v, groups));
}

}  // namespace cohort::policy
