#pragma once

#include <torch/torch.h>

#include "policy/config.h"
#include "policy/linear.h"
#include "policy/rmsnorm.h"
#include "policy/rope.h"
#include "policy/sequence_groups.h"

namespace cohort::policy {

// Causal softmax(scale * q k^T) v inside each sequence, one call per distinct length.
// q: [T, H, query_dim]; k: [T, KV heads, query_dim]; v: [T, KV heads, value_dim];
// out: [T, H * value_dim]. Rows in grouped order.
at::Tensor AttendWithinSequences(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 double scale, const std::vector<SequenceGroup>& groups);

// Grouped-query attention (arXiv 2305.13245) with rotary positions.
class AttentionImpl : public torch::nn::Module {
 public:
  explicit AttentionImpl(const ModelConfig& config);

  at::Tensor forward(const at::Tensor& x_TD, const RopeTable& rope,
                     const std::vector<SequenceGroup>& groups);

 private:
  // One head's queries or keys: [T, H, head_dim], normalised where the model has `norm`.
  at::Tensor Heads(Linear& projection, RmsNorm& norm, const at::Tensor& x_TD);

  AttentionConfig config_;
  double scale_;
  Linear q_proj_{nullptr};
  Linear k_proj_{nullptr};
  Linear v_proj_{nullptr};
  Linear o_proj_{nullptr};
  RmsNorm q_norm_{nullptr};  // both empty without qk_norm
  RmsNorm k_norm_{nullptr};
};
TORCH_MODULE(Attention);

}  // namespace cohort::policy
