#include "policy/transformer/feed_forward.h"

#include <algorithm>
#include <vector>

#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/own_kernels.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool AllSuitOwnKernels(const std::vector<at::Tensor>& matrices) {
  return std::all_of(matrices.begin(), matrices.end(), [](const at::Tensor& x) {
    return SuitsOwnKernels(x) && x.dim() == 2 && (x.size(1) <= 1 || x.stride(1) == 1);
  });
}

struct Rows {
  explicit Rows(const at::Tensor& x)
      : data(static_cast<float*>(x.data_ptr())), stride(x.stride(0)) {}
  float* At(int64_t i) const { return data + i * stride; }
  float* data;
  int64_t stride;
};

template <class F>
void ForEachRow(const at::Tensor& x, F f) {
  const int64_t rows = x.size(0);
  RunTasks((rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
    for (int64_t i = task * kRowsPerTask; i < std::min((task + 1) * kRowsPerTask, rows); ++i) f(i);
  });
}

class SwiGluFunction : public torch::autograd::Function<SwiGluFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    context->save_for_backward({gate, up});
    const at::Tensor out = at::empty_like(gate);
    SwiGluInto(out, gate, up);
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

void SwiGluInto(at::Tensor out, const at::Tensor& gate, const at::Tensor& up) {
  if (!AllSuitOwnKernels({out, gate, up})) {
    at::mul_out(out, at::silu(gate), up);
    return;
  }
  const Rows o(out), g(gate), u(up);
  ForEachRow(out,
             [&](int64_t i) { kernels::BestOps().swiglu(g.At(i), u.At(i), out.size(1), o.At(i)); });
}

void SwiGluBackward(const at::Tensor& gradient, const at::Tensor& gate, const at::Tensor& up,
                    at::Tensor d_gate, at::Tensor d_up) {
  if (!AllSuitOwnKernels({gradient, gate, up, d_gate, d_up})) {
    d_up.copy_(at::silu(gate).mul_(gradient));
    d_gate.copy_(at::silu_backward(gradient * up, gate));
    return;
  }
  const Rows d(gradient), g(gate), u(up), to_gate(d_gate), to_up(d_up);
  ForEachRow(gate, [&](int64_t i) {
    kernels::BestOps().swiglu_gradient(d.At(i), g.At(i), u.At(i), gate.size(1), to_gate.At(i),
                                       to_up.At(i));
  });
}

FeedForwardImpl::FeedForwardImpl(int64_t width, int64_t ffn_width) {
  gate_proj_ = register_module("gate_proj", Linear(width, ffn_width));
  up_proj_ = register_module("up_proj", Linear(width, ffn_width));
  down_proj_ = register_module("down_proj", Linear(ffn_width, width));
}

}  // namespace cohort::policy
