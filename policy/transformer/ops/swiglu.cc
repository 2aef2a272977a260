#include "policy/transformer/ops/swiglu.h"

#include <torch/torch.h>

#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Rows {
  explicit Rows(const at::Tensor& x)
      : data(static_cast<float*>(x.data_ptr())), stride(x.stride(0)) {}
  float* At(int64_t i) const { return data + i * stride; }
  float* data;
  int64_t stride;
};

// Our kernel goes along rows of matrices, which may lie apart.
template <class... Tensors>
Backend BackendForRows(const Tensors&... tensors) {
  const auto has_rows = [](const at::Tensor& x) {
    return x.dim() == 2 && (x.size(1) <= 1 || x.stride(1) == 1);
  };
  return (has_rows(tensors) && ...) ? BackendFor(tensors...) : Backend::kLibTorch;
}

class SwiGluFunction : public torch::autograd::Function<SwiGluFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    context->save_for_backward({gate, up});
    const at::Tensor out = at::empty_like(gate);
    SwiGluInto(gate, up, out);
    return out;
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

void SwiGluInto(const at::Tensor& gate, const at::Tensor& up, at::Tensor out) {
  if (BackendForRows(out, gate, up) == Backend::kLibTorch) {
    at::mul_out(out, at::silu(gate), up);
    return;
  }
  const Rows o(out), g(gate), u(up);
  ForEachRow(out.size(0),
             [&](int64_t i) { kernels::BestOps().swiglu(g.At(i), u.At(i), out.size(1), o.At(i)); });
}

void SwiGluBackward(const at::Tensor& gradient, const at::Tensor& gate, const at::Tensor& up,
                    at::Tensor d_gate, at::Tensor d_up) {
  if (BackendForRows(gradient, gate, up, d_gate, d_up) == Backend::kLibTorch) {
    d_up.copy_(at::silu(gate).mul_(gradient));
    d_gate.copy_(at::silu_backward(gradient * up, gate));
    return;
  }
  const Rows d(gradient), g(gate), u(up), to_gate(d_gate), to_up(d_up);
  ForEachRow(gate.size(0), [&](int64_t i) {
    kernels::BestOps().swiglu_gradient(d.At(i), g.At(i), u.At(i), gate.size(1), to_gate.At(i),
                                       to_up.At(i));
  });
}

}  // namespace cohort::policy
