#pragma once

#include <torch/torch.h>

#include "policy/config.h"
#include "policy/linear.h"
#include "policy/rope.h"
#include "policy/sequence_groups.h"

namespace cohort::policy {

// Causal softmax(q k^T / sqrt(head_dim)) v inside each sequence, one call per distinct length.
// q: [T, H, head_dim]; k, v: [T, KV heads, head_dim]; out: [T, H * head_dim]. Rows in grouped
// order.
at::Tensor AttendWithinSequences(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 const std::vector<SequenceGroup>& groups);

// Grouped-query attention (arXiv 2305.13245) with rotary positions and no biases.
class AttentionImpl : public torch::nn::Module {
 public:
  explicit AttentionImpl(const ModelConfig& config);

  at::Tensor forward(const at::Tensor& x_TD, const RopeTable& rope,
                     const std::vector<SequenceGroup>& groups);

 private:
  int64_t num_heads_;
  int64_t num_kv_heads_;
  int64_t head_dim_;
  Linear q_proj_{nullptr};
  Linear k_proj_{nullptr};
  Linear v_proj_{nullptr};
  Linear o_proj_{nullptr};
};
TORCH_MODULE(Attention);

}  // namespace cohort::policy
