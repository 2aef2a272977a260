#pragma once

// Gated units along a row, and their gradients, written once for all vector types. Included by
// ops_*.cc.

#include <cstdint>

#include "kernels/cpu/ops.h"
#include "kernels/cpu/vector/vector_math.h"

namespace cohort::kernels {

// The gradients of gate and up.
template <class Vector>
struct GateGradients {
  Vector gate, up;
};

// silu'(g) = s (1 + g (1 - s)) with s = sigmoid(g).
template <class Vector>
struct SwiGluFormula {
  static Vector Value(Vector gate, Vector up) {
    const Vector one = Vector::Broadcast(1.0f);
    return gate / (one + Exp<Vector>(Vector::Broadcast(0.0f) - gate)) * up;
  }
  static GateGradients<Vector> Gradients(Vector d, Vector gate, Vector up) {
    const Vector one = Vector::Broadcast(1.0f);
    const Vector s = Sigmoid<Vector>(gate);
    return {d * up * (s * Vector::Fma(gate, one - s, one)), d * gate * s};
  }
};

// gelu(g) = g / 2 (1 + tanh(z / 2)) = g sigmoid(z) with z = sqrt(8 / pi) (g + 0.044715 g^3), which
// does not cancel where g is far below 0.
template <class Vector>
struct GeGluFormula {
  static constexpr float kLinear = 1.5957691216057308f, kCubic = 0.044715f * kLinear;

  static Vector Sigma(Vector gate) {
    const Vector cubic = Vector::Broadcast(kCubic), linear = Vector::Broadcast(kLinear);
    return Sigmoid<Vector>(gate * Vector::Fma(gate * gate, cubic, linear));
  }
  static Vector Value(Vector gate, Vector up) { return gate * Sigma(gate) * up; }
  static GateGradients<Vector> Gradients(Vector d, Vector gate, Vector up) {
    const Vector one = Vector::Broadcast(1.0f), linear = Vector::Broadcast(kLinear);
    const Vector s = Sigma(gate);
    const Vector dz = Vector::Fma(gate * gate, Vector::Broadcast(3.0f * kCubic), linear);
    return {d * up * (s * Vector::Fma(gate * dz, one - s, one)), d * gate * s};
  }
};

// What is cut off has no gradient; at the bound itself it has, as in LibTorch.
template <class Vector>
struct ClampedSwiGluFormula {
  static Vector Gate(Vector gate) {
    return Vector::Min(Vector::Broadcast(kClampedSwiGluLimit), gate);
  }
  static Vector UpAndOne(Vector up) {
    const Vector below = Vector::Min(Vector::Broadcast(kClampedSwiGluLimit), up);
    return Vector::Max(Vector::Broadcast(-kClampedSwiGluLimit), below) + Vector::Broadcast(1.0f);
  }
  static Vector Value(Vector gate, Vector up) {
    const Vector g = Gate(gate);
    return g * Sigmoid<Vector>(g * Vector::Broadcast(kClampedSwiGluSlope)) * UpAndOne(up);
  }
  static GateGradients<Vector> Gradients(Vector d, Vector gate, Vector up) {
    const Vector one = Vector::Broadcast(1.0f), steepness = Vector::Broadcast(kClampedSwiGluSlope);
    const Vector limit = Vector::Broadcast(kClampedSwiGluLimit),
                 lowest = Vector::Broadcast(-kClampedSwiGluLimit);
    const Vector g = Gate(gate), s = Sigmoid<Vector>(g * steepness);
    const Vector slope = s * Vector::Fma(g * steepness, one - s, one);
    const Vector d_up = Vector::ZeroWhereLess(up, lowest, d * g * s);
    return {Vector::ZeroWhereLess(limit, gate, d * UpAndOne(up) * slope),
            Vector::ZeroWhereLess(limit, up, d_up)};
  }
};

template <class Vector, class Formula>
void ApplyGate(const GatedRow& row, float* out) {
  const float *gate = row.gate, *up = row.up;
  const int64_t n = row.n, step = row.step;
  for (int64_t i = 0; i < n; i += 16, gate += step, up += step) {
    const int64_t count = n - i;
    const Vector g = LoadPart<Vector>(gate, count), u = LoadPart<Vector>(up, count);
    StorePart(Formula::Value(g, u), out + i, count);
  }
}

template <class Vector, class Formula>
void ApplyGateGradient(const GatedRow& row, const float* gradient, float* d_gate, float* d_up) {
  const float *gate = row.gate, *up = row.up;
  const int64_t n = row.n, step = row.step;
  for (int64_t i = 0; i < n; i += 16, gate += step, up += step) {
    const int64_t count = n - i;
    const Vector g = LoadPart<Vector>(gate, count), u = LoadPart<Vector>(up, count);
    const GateGradients<Vector> d = Formula::Gradients(LoadPart<Vector>(gradient + i, count), g, u);
    StorePart(d.gate, d_gate + i, count);
    StorePart(d.up, d_up + i, count);
  }
}

template <class Vector>
void GatedUnitRow(const GatedRow& row, float* out) {
  switch (row.unit) {
    case GatedUnit::kSwiGlu:
      return ApplyGate<Vector, SwiGluFormula<Vector>>(row, out);
    case GatedUnit::kGeGlu:
      return ApplyGate<Vector, GeGluFormula<Vector>>(row, out);
    case GatedUnit::kClampedSwiGlu:
      return ApplyGate<Vector, ClampedSwiGluFormula<Vector>>(row, out);
  }
}

template <class Vector>
void GatedUnitGradient(const GatedRow& row, const float* gradient, float* d_gate, float* d_up) {
  switch (row.unit) {
    case GatedUnit::kSwiGlu:
      return ApplyGateGradient<Vector, SwiGluFormula<Vector>>(row, gradient, d_gate, d_up);
    case GatedUnit::kGeGlu:
      return ApplyGateGradient<Vector, GeGluFormula<Vector>>(row, gradient, d_gate, d_up);
    case GatedUnit::kClampedSwiGlu:
      return ApplyGateGradient<Vector, ClampedSwiGluFormula<Vector>>(row, gradient, d_gate, d_up);
  }
}

}  // namespace cohort::kernels
