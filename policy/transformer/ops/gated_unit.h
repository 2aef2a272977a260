#pragma once
// Stand-in until the kernels' own is there.
#include <torch/torch.h>

#include "kernels/cpu/gated_unit.h"

namespace cohort::policy {

inline at::Tensor ApplyGatedUnit(kernels::GatedUnit unit, const at::Tensor& gate,
                                 const at::Tensor& up) {
  if (unit == kernels::GatedUnit::kSwiGlu) return at::silu(gate) * up;
  if (unit == kernels::GatedUnit::kGeGlu) return at::gelu(gate, "tanh") * up;
  const at::Tensor g = gate.clamp_max(7.0), u = up.clamp(-7.0, 7.0);
  return g * (1.702 * g).sigmoid() * (u + 1);
}

inline void ApplyGatedUnitInto(kernels::GatedUnit unit, const at::Tensor& gate,
                               const at::Tensor& up, at::Tensor out) {
  out.copy_(ApplyGatedUnit(unit, gate, up));
}

inline void GatedUnitBackward(kernels::GatedUnit unit, const at::Tensor& gradient,
                              const at::Tensor& gate, const at::Tensor& up, at::Tensor d_gate,
                              at::Tensor d_up) {
  const at::AutoGradMode with_grad(true);
  const at::Tensor g = gate.detach().clone().requires_grad_();
  const at::Tensor u = up.detach().clone().requires_grad_();
  const auto both = torch::autograd::grad({ApplyGatedUnit(unit, g, u)}, {g, u}, {gradient});
  d_gate.copy_(both[0]);
  d_up.copy_(both[1]);
}

}  // namespace cohort::policy
