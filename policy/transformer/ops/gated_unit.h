#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cpu/gated_unit.h"

namespace cohort::policy {

using kernels::GatedUnit;

// unit(gate, up), elementwise. Differentiable in both.
at::Tensor ApplyGatedUnit(GatedUnit unit, const at::Tensor& gate, const at::Tensor& up);
// The same into `out`, with no gradient kept; rows of any stride.
void ApplyGatedUnitInto(GatedUnit unit, const at::Tensor& gate, const at::Tensor& up,
                        at::Tensor out);

// Gates and ups, with room for their gradients; rows may be strided.
struct GatedGradients {
  at::Tensor gate, up;  // shapes of gate and up, written
};
// The gradients of <ApplyGatedUnit, gradient>.
void GatedUnitBackward(GatedUnit unit, const at::Tensor& gradient, const at::Tensor& gate,
                       const at::Tensor& up, GatedGradients into);

}  // namespace cohort::policy
