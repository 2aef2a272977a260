#pragma once

// Parts of a row in registers and elementary functions, written once for all vector types. Included
// by ops_*.cc. A row's last, short vector is padded in registers, so rows need no padding in
// memory.

#include <cstdint>

namespace cohort::kernels {

template <class Vector>
inline Vector LoadPart(const float* p, int64_t count, float padding = 0.0f) {
  if (count >= 16) return Vector::Load(p);
  float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = i < count ? p[i] : padding;
  return Vector::Load(lanes);
}

template <class Vector>
inline void StorePart(Vector v, float* p, int64_t count) {
  if (count >= 16) return v.Store(p);
  float lanes[16];
  v.Store(lanes);
  for (int i = 0; i < count; ++i) p[i] = lanes[i];
}

// e^x = power (1 + rest): range reduction by ln 2 in two parts, polynomial of degree 7 (Cephes'
// expf). For x in -87 .. 88.
template <class Vector>
struct ExpParts {
  Vector power, rest;

  explicit ExpParts(Vector x) {
    const auto constant = [](float value) { return Vector::Broadcast(value); };
    const Vector n = Vector::Round(x * constant(1.44269504088896341f));
    Vector r = Vector::Fma(n, constant(-0.693359375f), x);
    r = Vector::Fma(n, constant(2.12194440e-4f), r);
    Vector p = constant(1.9875691500e-4f);
    p = Vector::Fma(p, r, constant(1.3981999507e-3f));
    p = Vector::Fma(p, r, constant(8.3334519073e-3f));
    p = Vector::Fma(p, r, constant(4.1665795894e-2f));
    p = Vector::Fma(p, r, constant(1.6666665459e-1f));
    p = Vector::Fma(p, r, constant(5.0000001201e-1f));
    rest = Vector::Fma(p, r * r, r);
    power = Vector::PowerOfTwo(n);
  }
};

// e^x to about 1 ulp; 0 below -87, saturates above 88; NaN stays NaN.
template <class Vector>
inline Vector Exp(Vector x) {
  const Vector lowest = Vector::Broadcast(-87.0f);
  const ExpParts<Vector> e(Vector::Max(lowest, Vector::Min(Vector::Broadcast(88.0f), x)));
  return Vector::ZeroWhereLess(x, lowest, (e.rest + Vector::Broadcast(1.0f)) * e.power);
}

template <class Vector>
inline Vector Sigmoid(Vector x) {
  const Vector one = Vector::Broadcast(1.0f);
  return one / (one + Exp<Vector>(Vector::Broadcast(0.0f) - x));
}

// To about 3 ulp, near 0 too: tanh(x) = m / (m + 2) with m = e^(2x) - 1 = power rest + (power - 1),
// which loses no digits to the 1. Beyond 20 it is 1 in fp32. NaN stays NaN.
template <class Vector>
inline Vector Tanh(Vector x) {
  const Vector bound = Vector::Broadcast(20.0f), zero = Vector::Broadcast(0.0f);
  const Vector clamped = Vector::Max(zero - bound, Vector::Min(bound, x));
  const ExpParts<Vector> e(clamped + clamped);
  const Vector m = Vector::Fma(e.power, e.rest, e.power - Vector::Broadcast(1.0f));
  return m / (m + Vector::Broadcast(2.0f));
}

}  // namespace cohort::kernels
