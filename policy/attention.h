#pragma once

#include <torch/torch.h>

#include "policy/config.h"
#include "policy/linear.h"
#include "policy/packed_tokens.h"
#include "policy/rope.h"

namespace cohort::policy {

// Grouped-query attention (arXiv 2305.13245) with rotary positions and no biases.
class AttentionImpl : public torch::nn::Module {
 public:
  explicit AttentionImpl(const ModelConfig& config);

  at::Tensor forward(const at::Tensor& x_TD, const RopeTable& rope,
                     const std::vector<Segment>& segments);

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
