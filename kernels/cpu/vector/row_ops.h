#pragma once

// Operations along a row, written once for all vector types. Included by ops_*.cc.

#include <cmath>
#include <cstdint>

#include "kernels/cpu/ops.h"
#include "kernels/cpu/vector/delta_tile.h"
#include "kernels/cpu/vector/dot_tile.h"
#include "kernels/cpu/vector/gated_rows.h"
#include "kernels/cpu/vector/lane_sum.h"
#include "kernels/cpu/vector/pair_tile.h"
#include "kernels/cpu/vector/vector_math.h"

namespace cohort::kernels {

template <class Vector>
void RmsNorm(const float* x, const float* weight, float eps, int64_t n, float* out) {
  LaneSum<Vector> squares;
  const auto add = [&](int64_t i) {
    const Vector v = LoadPart<Vector>(x + i, n - i);
    squares.AddProduct(v, v);
  };
  SumOverRow(n, add, squares);
  const float mean = squares.Total() / static_cast<float>(n);
  const Vector factor = Vector::Broadcast(1.0f / std::sqrt(mean + eps));
  for (int64_t i = 0; i < n; i += 16) {
    const Vector normed = LoadPart<Vector>(x + i, n - i) * factor;
    StorePart(normed * LoadPart<Vector>(weight + i, n - i), out + i, n - i);
  }
}

// With y = x / rms: d_x = (g w - y mean(g w y)) / rms, d_w += g y.
template <class Vector>
void RmsNormGradient(const float* x, const float* weight, const float* gradient, float eps,
                     int64_t n, float* d_x, float* d_weight) {
  LaneSum<Vector> squares, products;
  const auto add = [&](int64_t i) {
    const Vector v = LoadPart<Vector>(x + i, n - i);
    const Vector g = LoadPart<Vector>(gradient + i, n - i) * LoadPart<Vector>(weight + i, n - i);
    squares.AddProduct(v, v);
    products.AddProduct(v, g);
  };
  SumOverRow(n, add, squares, products);
  const float size = static_cast<float>(n);
  const float inverse = 1.0f / std::sqrt(squares.Total() / size + eps);
  const Vector factor = Vector::Broadcast(inverse);
  const Vector mean = Vector::Broadcast(products.Total() * inverse / size);
  for (int64_t i = 0; i < n; i += 16) {
    const Vector g = LoadPart<Vector>(gradient + i, n - i);
    const Vector y = LoadPart<Vector>(x + i, n - i) * factor;
    StorePart((g * LoadPart<Vector>(weight + i, n - i) - y * mean) * factor, d_x + i, n - i);
    StorePart(Vector::Fma(g, y, LoadPart<Vector>(d_weight + i, n - i)), d_weight + i, n - i);
  }
}

template <class Vector>
void Rope(float* x, const float* cos, const float* sin, int64_t half) {
  for (int64_t i = 0; i < half; i += 16) {
    const int64_t count = half - i;
    const Vector c = LoadPart<Vector>(cos + i, count), s = LoadPart<Vector>(sin + i, count);
    const Vector low = LoadPart<Vector>(x + i, count), high = LoadPart<Vector>(x + half + i, count);
    StorePart(low * c - high * s, x + i, count);
    StorePart(high * c + low * s, x + half + i, count);
  }
}

template <class Vector>
void SigmoidRow(const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 16) {
    StorePart(Sigmoid<Vector>(LoadPart<Vector>(x + i, n - i)), out + i, n - i);
  }
}

template <class Vector>
SoftmaxSum SoftmaxExp(float* x, float scale, float sink, int64_t n) {
  const Vector factor = Vector::Broadcast(scale);
  Vector largest = Vector::Broadcast(sink);
  for (int64_t i = 0; i < n; i += 16) {
    largest = Vector::Max(largest, LoadPart<Vector>(x + i, n - i, x[0]) * factor);
  }
  const float top = Vector::Largest(largest);
  const Vector max = Vector::Broadcast(top);
  LaneSum<Vector> sum;
  const auto add = [&](int64_t i) {
    // -inf in the padding: e^-inf adds exactly 0 to its lane.
    const Vector e = Exp<Vector>(LoadPart<Vector>(x + i, n - i, -INFINITY) * factor - max);
    sum.Add(e);
    StorePart(e, x + i, n - i);
  };
  SumOverRow(n, add, sum);
  if (sink == -INFINITY) return {sum.Total(), 0.0f};
  float lanes[16];
  Exp<Vector>(Vector::Broadcast(sink - top)).Store(lanes);
  return {sum.Total() + lanes[0], lanes[0]};
}

template <class Vector>
float SoftmaxGradient(float* e, float* gradient, float sum, float scale, int64_t n) {
  const Vector normalizer = Vector::Broadcast(1.0f / sum), factor = Vector::Broadcast(scale);
  LaneSum<Vector> products;
  const auto add = [&](int64_t i) {
    const Vector p = LoadPart<Vector>(e + i, n - i) * normalizer;
    products.AddProduct(p, LoadPart<Vector>(gradient + i, n - i));
    StorePart(p, e + i, n - i);
  };
  SumOverRow(n, add, products);
  const float total = products.Total();
  const Vector mean = Vector::Broadcast(total);
  for (int64_t i = 0; i < n; i += 16) {
    const Vector centred = LoadPart<Vector>(gradient + i, n - i) - mean;
    StorePart(LoadPart<Vector>(e + i, n - i) * centred * factor, gradient + i, n - i);
  }
  return total;
}

template <class Vector>
void SoftCap(float* x, float scale, float cap, int64_t n) {
  const Vector factor = Vector::Broadcast(scale / cap), height = Vector::Broadcast(cap);
  for (int64_t i = 0; i < n; i += 16) {
    const Vector part = LoadPart<Vector>(x + i, n - i) * factor;
    StorePart(Tanh<Vector>(part) * height, x + i, n - i);
  }
}

template <class Vector>
void SoftCapGradient(const float* capped, float cap, int64_t n, float* gradient) {
  const Vector one = Vector::Broadcast(1.0f), height = Vector::Broadcast(cap);
  for (int64_t i = 0; i < n; i += 16) {
    const Vector tanh = LoadPart<Vector>(capped + i, n - i) / height;
    const Vector slope = one - tanh * tanh;
    StorePart(LoadPart<Vector>(gradient + i, n - i) * slope, gradient + i, n - i);
  }
}

template <class Vector>
float MaxScaled(const float* x, float temperature, int64_t n) {
  const Vector divisor = Vector::Broadcast(temperature);
  Vector largest = Vector::Broadcast(-INFINITY);
  Vector poison =
      Vector::Broadcast(0.0f);  // x * 0: NaN in a lane that has met a NaN or an infinity
  for (int64_t i = 0; i < n; i += 16) {
    const Vector v = LoadPart<Vector>(x + i, n - i, x[0]);
    largest = Vector::Max(largest, v / divisor);
    poison = Vector::Fma(v, Vector::Broadcast(0.0f), poison);
  }
  return Vector::Largest(largest) + Vector::Sum(poison);
}

template <class Vector>
float ExpScaled(const float* x, float temperature, float max, int64_t n, float* out) {
  const Vector divisor = Vector::Broadcast(temperature), largest = Vector::Broadcast(max);
  LaneSum<Vector> sum;
  const auto add = [&](int64_t i) {
    const Vector e = Exp<Vector>(LoadPart<Vector>(x + i, n - i, -INFINITY) / divisor - largest);
    sum.Add(e);
    if (out != nullptr) StorePart(e, out + i, n - i);
  };
  SumOverRow(n, add, sum);
  return sum.Total();
}

template <class Vector>
void SoftmaxSums(const float* x, float temperature, float max, int64_t n, float* sum,
                 float* weighted_sum) {
  const Vector divisor = Vector::Broadcast(temperature), largest = Vector::Broadcast(max);
  const Vector lowest = Vector::Broadcast(-1e30f);  // of z, whose product with e^z = 0 is then 0
  LaneSum<Vector> total, weighted;
  const auto add = [&](int64_t i) {
    const Vector v = LoadPart<Vector>(x + i, n - i, -INFINITY);
    const Vector z = Vector::Max(lowest, v / divisor - largest);
    const Vector e = Exp<Vector>(z);
    total.Add(e);
    weighted.AddProduct(z, e);
  };
  SumOverRow(n, add, total, weighted);
  *sum = total.Total();
  *weighted_sum = weighted.Total();
}

template <class Vector>
void SoftmaxTimes(const float* x, float temperature, float max, float w, int64_t n, float* out) {
  const Vector divisor = Vector::Broadcast(temperature), largest = Vector::Broadcast(max);
  const Vector factor = Vector::Broadcast(w);
  for (int64_t i = 0; i < n; i += 16) {
    const Vector z = LoadPart<Vector>(x + i, n - i) / divisor - largest;
    StorePart(Exp<Vector>(z) * factor, out + i, n - i);
  }
}

template <class Vector>
void MultiplyAdd(float w, const float* x, int64_t n, float* y) {
  const Vector factor = Vector::Broadcast(w);
  for (int64_t i = 0; i < n; i += 16) {
    const Vector old = LoadPart<Vector>(y + i, n - i);
    StorePart(Vector::Fma(factor, LoadPart<Vector>(x + i, n - i), old), y + i, n - i);
  }
}

template <class Vector>
void Add(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; i += 16) {
    StorePart(LoadPart<Vector>(y + i, n - i) + LoadPart<Vector>(x + i, n - i), y + i, n - i);
  }
}

template <class Vector>
float LargestMagnitude(const float* x, int64_t n) {
  const Vector zero = Vector::Broadcast(0.0f);
  Vector largest = zero;
  for (int64_t i = 0; i < n; i += 16) {
    const Vector v = LoadPart<Vector>(x + i, n - i);
    largest = Vector::Max(Vector::Max(v, zero - v), largest);
  }
  return Vector::Largest(largest);
}

template <class Vector>
void QuantizeE4m3(const float* x, float scale, int64_t n, uint16_t* out) {
  const Vector divisor = Vector::Broadcast(scale), most = Vector::Broadcast(448.0f),
               least = Vector::Broadcast(-448.0f), smallest_normal = Vector::Broadcast(0x1p-6f),
               step = Vector::Broadcast(0x1.8p20f);
  const auto rounded = [&](Vector v) {
    const Vector y = Vector::Max(least, Vector::Min(most, v / divisor));
    // Numbers near `anchor` are apart by the step of e4m3 at y: 2^-3 of its power of two.
    const Vector anchor = Vector::Max(smallest_normal, Vector::PowerBelow(y)) * step;
    return (y + anchor) - anchor;
  };
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) rounded(Vector::Load(x + i)).StoreBf16(out + i);
  if (i == n) return;
  uint16_t rest[16];
  rounded(LoadPart<Vector>(x + i, n - i)).StoreBf16(rest);
  std::copy_n(rest, n - i, out + i);
}

template <class Vector>
void MultiplyAddScaled(float w, const float* scales, const float* x, int64_t n, float* y) {
  const Vector factor = Vector::Broadcast(w);
  for (int64_t i = 0; i < n; i += 16) {
    const Vector scale = factor * LoadPart<Vector>(scales + i, n - i);
    const Vector old = LoadPart<Vector>(y + i, n - i);
    StorePart(Vector::Fma(LoadPart<Vector>(x + i, n - i), scale, old), y + i, n - i);
  }
}

template <class Vector>
void Scale(float w, int64_t n, float* y) {
  const Vector factor = Vector::Broadcast(w);
  for (int64_t i = 0; i < n; i += 16) {
    StorePart(LoadPart<Vector>(y + i, n - i) * factor, y + i, n - i);
  }
}

template <class Vector>
constexpr Ops MakeOps(Isa isa) {
  return {.isa = isa,
          .gemm_float = &GemmTiles<Vector, OneTerm<Vector, float>>,
          .gemm_bf16 = &GemmTiles<Vector, OneTerm<Vector, uint16_t>>,
          .gemm_pairs = &PairTiles<Vector, TwoTerms<Vector>>,
          .gemm_amx = &PairTiles<Vector, TwoChains<Vector>>,
          .round_bf16 = &RoundBf16<Vector>,
          .round_pairs = &RoundPairs<Vector>,
          .largest_magnitude = &LargestMagnitude<Vector>,
          .quantize_e4m3 = &QuantizeE4m3<Vector>,
          .multiply_add_scaled = &MultiplyAddScaled<Vector>,
          .dot = &DotTiles<Vector>,
          .rms_norm = &RmsNorm<Vector>,
          .rms_norm_gradient = &RmsNormGradient<Vector>,
          .rope = &Rope<Vector>,
          .gated_unit = &GatedUnitRow<Vector>,
          .gated_unit_gradient = &GatedUnitGradient<Vector>,
          .sigmoid = &SigmoidRow<Vector>,
          .softmax_exp = &SoftmaxExp<Vector>,
          .softmax_gradient = &SoftmaxGradient<Vector>,
          .soft_cap = &SoftCap<Vector>,
          .soft_cap_gradient = &SoftCapGradient<Vector>,
          .max_scaled = &MaxScaled<Vector>,
          .exp_scaled = &ExpScaled<Vector>,
          .softmax_sums = &SoftmaxSums<Vector>,
          .softmax_times = &SoftmaxTimes<Vector>,
          .multiply_add = &MultiplyAdd<Vector>,
          .add = &Add<Vector>,
          .scale = &Scale<Vector>,
          .delta_scan = &DeltaScan<Vector>,
          .conv_silu = &ConvSilu<Vector>};
}

}  // namespace cohort::kernels
