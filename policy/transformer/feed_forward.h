#pragma once

#include <torch/torch.h>

#include "policy/transformer/linear.h"

namespace cohort::policy {

// silu(gate) * up, elementwise (arXiv 2002.05202). Differentiable in both.
at::Tensor SwiGlu(const at::Tensor& gate, const at::Tensor& up);
// The same without autograd, into `out`; rows of any stride.
void SwiGluInto(at::Tensor out, const at::Tensor& gate, const at::Tensor& up);

// The gradients of SwiGlu, written into d_gate and d_up (shapes of gate and up, rows may be
// strided).
void SwiGluBackward(const at::Tensor& gradient, const at::Tensor& gate, const at::Tensor& up,
                    at::Tensor d_gate, at::Tensor d_up);

// down(silu(gate(x)) * up(x)): a dense layer's FFN, and the shared expert of a MoE layer.
class FeedForwardImpl : public torch::nn::Module {
 public:
  FeedForwardImpl(int64_t width, int64_t ffn_width);

  at::Tensor forward(const at::Tensor& x_TD) {
    return down_proj_(SwiGlu(gate_proj_(x_TD), up_proj_(x_TD)));
  }

 private:
  Linear gate_proj_{nullptr};
  Linear up_proj_{nullptr};
  Linear down_proj_{nullptr};
};
TORCH_MODULE(FeedForward);

}  // namespace cohort::policy
