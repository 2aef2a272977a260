#include "policy/attention.h"

#include <cmath>

#include "policy/attend_segments.h"

namespace cohort::policy {

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
                                  const std::vector<Segment>& segments) {
  const int64_t tokens = x_TD.size(0);
  const at::Tensor q = q_proj_(x_TD).view({tokens, num_heads_, head_dim_});
  const at::Tensor k = k_proj_(x_TD).view({tokens, num_kv_heads_, head_dim_});
  const at::Tensor v = v_proj_(x_TD).view({tokens, num_kv_heads_, head_dim_});
  const double scale = 1 / std::sqrt(static_cast<double>(head_dim_));
  return o_proj_(AttendSegments(Rotate(q, rope), Rotate(k, rope), v, scale, segments));
}

}  // namespace cohort::policy
