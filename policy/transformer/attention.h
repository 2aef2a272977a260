#pragma once

#include <torch/nn/module.h>

#include "policy/config/config.h"
#include "policy/transformer/linear.h"
#include "policy/transformer/ops/attend_segments.h"
#include "policy/transformer/ops/rope.h"
#include "policy/transformer/packed_tokens.h"
#include "policy/transformer/rms_norm.h"

namespace cohort::policy {

// Grouped-query attention (arXiv 2305.13245) with rotary positions in the layers that rotate.
class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(const ModelConfig& config, int64_t layer, const at::TensorOptions& options);

  at::Tensor forward(const at::Tensor& x_TD, const RopeAngles& rope,
                     const std::vector<Segment>& segments);

 private:
  // The rows of queries, keys, values and, where the output is gated, gates.
  struct Projected {
    at::Tensor q, k, v, gate;
  };
  Projected Project(const at::Tensor& x_TD);
  // Queries or keys as heads, [T, H, head_dim], normalised where the model has `norm` and rotated.
  at::Tensor Heads(const at::Tensor& rows, RmsNorm& norm, const RopeAngles& rope);

  AttentionConfig config_;
  AttentionScores scores_;
  bool rotates_;
  Linear qkv_proj_{nullptr};  // this one or the next three
  Linear q_proj_{nullptr};
  Linear k_proj_{nullptr};
  Linear v_proj_{nullptr};
  Linear o_proj_{nullptr};
  at::Tensor sinks_;         // [H]; undefined without has_sinks
  RmsNorm q_norm_{nullptr};  // both empty without qk_norm
  RmsNorm k_norm_{nullptr};
};
TORCH_MODULE(Attention);

}  // namespace cohort::policy
