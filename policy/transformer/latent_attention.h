#pragma once

#include <torch/nn/module.h>

#include "policy/config/config.h"
#include "policy/transformer/linear.h"
#include "policy/transformer/ops/rope.h"
#include "policy/transformer/packed_tokens.h"
#include "policy/transformer/rms_norm.h"

namespace cohort::policy {

// Multi-head latent attention (arXiv 2405.04434 section 2.1, 2412.19437 eq. 1-11) in its expanded
// form: kv_b turns the latent of every token into keys and values of all heads. Training wants this
// form; a decoder keeps the latent instead.
// Shapes: T tokens, H heads, n, p, v = qk_nope, qk_rope and v_head_dim.
class LatentAttentionImpl : public torch::nn::Module {
 public:
  LatentAttentionImpl(const ModelConfig& config, const at::TensorOptions& options);

  at::Tensor forward(const at::Tensor& x_TD, const RopeAngles& rope,
                     const std::vector<Segment>& segments);

 private:
  at::Tensor Queries(const at::Tensor& x_TD, const RopeAngles& rope);  // [T, H, n + p]

  AttentionConfig config_;
  bool interleaved_;
  double scale_;
  Linear q_proj_{nullptr};  // without q_lora_rank; else the next three
  Linear q_a_proj_{nullptr};
  RmsNorm q_a_layernorm_{nullptr};
  Linear q_b_proj_{nullptr};
  Linear kv_a_proj_with_mqa_{nullptr};
  RmsNorm kv_a_layernorm_{nullptr};
  Linear kv_b_proj_{nullptr};
  Linear o_proj_{nullptr};
};
TORCH_MODULE(LatentAttention);

}  // namespace cohort::policy
