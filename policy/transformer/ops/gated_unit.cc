#include "policy/transformer/ops/gated_unit.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

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

class GatedUnitFunction : public torch::autograd::Function<GatedUnitFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate, const at::Tensor& up,
                            GatedUnit unit) {
    context->save_for_backward({gate, up});
    context->saved_data["unit"] = static_cast<int64_t>(unit);
    const at::Tensor out = at::empty_like(gate);
    ApplyGatedUnitInto(unit, gate, up, out);
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto unit = static_cast<GatedUnit>(context->saved_data["unit"].toInt());
    at::Tensor d_gate = at::empty_like(saved[0]);
    at::Tensor d_up = at::empty_like(saved[1]);
    GatedUnitBackward(unit, gradients[0], saved[0], saved[1], {d_gate, d_up});
    return {d_gate, d_up, at::Tensor()};
  }
};

// A unit is activation(gate) factor(up).
at::Tensor Activation(GatedUnit unit, const at::Tensor& gate) {
  switch (unit) {
    case GatedUnit::kSwiGlu:
      return at::silu(gate);
    case GatedUnit::kGeGlu:
      return at::gelu(gate, "tanh");
    case GatedUnit::kClampedSwiGlu: {
      const at::Tensor g = gate.clamp_max(kernels::kClampedSwiGluLimit);
      return g * at::sigmoid(g * kernels::kClampedSwiGluSlope);
    }
  }
  return {};
}

at::Tensor ActivationBackward(GatedUnit unit, const at::Tensor& gradient, const at::Tensor& gate) {
  switch (unit) {
    case GatedUnit::kSwiGlu:
      return at::silu_backward(gradient, gate);
    case GatedUnit::kGeGlu:
      return at::gelu_backward(gradient, gate, "tanh");
    case GatedUnit::kClampedSwiGlu: {
      const at::Tensor z =
          gate.clamp_max(kernels::kClampedSwiGluLimit) * kernels::kClampedSwiGluSlope;
      const at::Tensor s = at::sigmoid(z);
      return gradient * s * (1 + z * (1 - s)) * (gate <= kernels::kClampedSwiGluLimit);
    }
  }
  return {};
}

bool Clamps(GatedUnit unit) { return unit == GatedUnit::kClampedSwiGlu; }

at::Tensor Factor(GatedUnit unit, const at::Tensor& up) {
  constexpr float kLimit = kernels::kClampedSwiGluLimit;
  return Clamps(unit) ? up.clamp(-kLimit, kLimit) + 1 : up;
}

}  // namespace

at::Tensor ApplyGatedUnit(GatedUnit unit, const at::Tensor& gate, const at::Tensor& up) {
  return GatedUnitFunction::apply(gate, up, unit);
}

void ApplyGatedUnitInto(GatedUnit unit, const at::Tensor& gate, const at::Tensor& up,
                        at::Tensor out) {
  if (BackendForRows(out, gate, up) == Backend::kLibTorch) {
    at::mul_out(out, Activation(unit, gate), Factor(unit, up));
    return;
  }
  const Rows o(out), g(gate), u(up);
  ForEachRow(out.size(0), [&](int64_t i) {
    kernels::BestOps().gated_unit({unit, g.At(i), u.At(i), out.size(1)}, o.At(i));
  });
}

void GatedUnitBackward(GatedUnit unit, const at::Tensor& gradient, const at::Tensor& gate,
                       const at::Tensor& up, GatedGradients into) {
  if (BackendForRows(gradient, gate, up, into.gate, into.up) == Backend::kLibTorch) {
    into.up.copy_(Activation(unit, gate).mul_(gradient));
    if (Clamps(unit)) into.up.mul_(up.abs() <= kernels::kClampedSwiGluLimit);
    into.gate.copy_(ActivationBackward(unit, gradient * Factor(unit, up), gate));
    return;
  }
  const Rows d(gradient), g(gate), u(up), to_gate(into.gate), to_up(into.up);
  ForEachRow(gate.size(0), [&](int64_t i) {
    kernels::BestOps().gated_unit_gradient({unit, g.At(i), u.At(i), gate.size(1)}, d.At(i),
                                           to_gate.At(i), to_up.At(i));
  });
}

}  // namespace cohort::policy
