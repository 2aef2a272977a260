#include "policy/feed_forward.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class SwiGluFunction : public torch::autograd::Function<SwiGluFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    context->save_for_backward({gate, up});
    return at::silu(gate).mul_(up);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    at::Tensor d_gate = at::empty_like(saved[0]);
    at::Tensor d_up = at::empty_like(saved[1]);
    SwiGluBackward(gradients[0], saved[0], saved[1], d_gate, d_up);
    return {d_gate, d_up};
  }
};

}  // namespace

at::Tensor SwiGlu(const at::Tensor& gate, const at::Tensor& up) {
  return SwiGluFunction::apply(gate, up);
}

void SwiGluBackward(const at::Tensor& gradient, const at::Tensor& gate, const at::Tensor& up,
                    at::Tensor d_gate, at::Tensor d_up) {
  d_up.copy_(at::silu(gate).mul_(gradient));
  d_gate.copy_(at::silu_backward(gradient * up, gate));
}

FeedForwardImpl::FeedForwardImpl(int64_t width, int64_t ffn_width) {
  gate_proj_ = register_module("gate_proj", Linear(width, ffn_width));
  up_proj_ = register_module("up_proj", Linear(width, ffn_width));
  down_proj_ = register_module("down_proj", Linear(ffn_width, width));
}

}  // namespace cohort::policy
