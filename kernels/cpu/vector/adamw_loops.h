#pragma once

// The loops of kernels/cpu/adamw.h, written once for all vector types. Included by ops_*.cc.

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/cpu/adamw.h"
#include "kernels/cpu/vector/vector_math.h"

namespace cohort::kernels {

// Templates of the vector type, like all here, so that each instruction set compiles its own.
template <class Vector>
double WidenOne(float value) {
  return value;
}
template <class Vector>
double WidenOne(uint16_t half) {
  return std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

// In 16 lanes, which are added in pairs at the end. The product of two floats is exact in double.
template <class Vector, class Stored>
double SquareSumOf(const Stored* x, int64_t n) {
  double lanes[16] = {};
  Stored last[16] = {};
  const int64_t whole = n / 16 * 16;
  for (int64_t i = whole; i < n; ++i) last[i - whole] = x[i];
  for (int64_t i = 0; i <= whole; i += 16) {
    const Stored* row = i == whole ? last : x + i;
    for (int lane = 0; lane < 16; ++lane) {
      const double value = WidenOne<Vector>(row[lane]);
      lanes[lane] += value * value;
    }
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

template <class Vector>
double SquareSum(const GradientValues& values) {
  return values.bf16 ? SquareSumOf<Vector>(static_cast<const uint16_t*>(values.data), values.count)
                     : SquareSumOf<Vector>(static_cast<const float*>(values.data), values.count);
}

// Eight words, each in the lower half of a lane, whose upper half is ignored.
using WideWords [[gnu::vector_size(64)]] = uint64_t;

// words[64] of Philox4x32-10: word w of counter `first` / 4 + lane at [16 w + lane].
template <class Vector>
void DrawWords(int64_t first, uint64_t key, uint32_t* words) {
  constexpr uint64_t kLower = 0xffffffff;
  const uint64_t base = static_cast<uint64_t>(first) / 4;
  for (uint64_t half = 0; half < 16; half += 8) {
    WideWords c0 = (base + half) + WideWords{0, 1, 2, 3, 4, 5, 6, 7};
    WideWords c1 = WideWords{} + (base >> 32), c2{}, c3{};
    uint64_t key0 = key & kLower, key1 = key >> 32;
    for (int round = 0; round < 10; ++round) {
      const WideWords product0 = (c0 & kLower) * 0xD2511F53, product1 = (c2 & kLower) * 0xCD9E8D57;
      c0 = (product1 >> 32) ^ c1 ^ key0;
      c1 = product1;
      c2 = (product0 >> 32) ^ c3 ^ key1;
      c3 = product0;
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
    uint32_t* to = words + half;
    for (int lane = 0; lane < 8; ++lane) {
      to[lane] = static_cast<uint32_t>(c0[lane]);
      to[16 + lane] = static_cast<uint32_t>(c1[lane]);
      to[32 + lane] = static_cast<uint32_t>(c2[lane]);
      to[48 + lane] = static_cast<uint32_t>(c3[lane]);
    }
  }
}

// Moments in fp32: nothing is drawn.
template <class Vector>
struct FloatMoments {
  using Stored = float;
  void Draw(int64_t, uint64_t) {}
  static Vector Load(const float* p) { return Vector::Load(p); }
  void Store(Vector v, int, int, float* p) const { v.Store(p); }
};

// To bf16: a draw of 16 bits below the last one that stays carries into it as often as it should.
template <class Vector>
void RoundByChance(Vector v, const uint32_t* words, int shift, uint16_t* p) {
  float values[16];
  v.Store(values);
  for (int lane = 0; lane < 16; ++lane) {
    const uint32_t draw = words[lane] >> shift & 0xffff;
    p[lane] = static_cast<uint16_t>((std::bit_cast<uint32_t>(values[lane]) + draw) >> 16);
  }
}

template <class Vector>
struct Bf16Moments {
  using Stored = uint16_t;
  uint32_t words[kDrawBlock];

  void Draw(int64_t first, uint64_t key) { DrawWords<Vector>(first, key, words); }
  static Vector Load(const uint16_t* p) { return Vector::LoadBf16(p); }
  void Store(Vector v, int place, int shift, uint16_t* p) const {
    RoundByChance(v, words + place, shift, p);
  }
};

template <class Vector>
Vector LoadBf16Part(const uint16_t* p, int64_t count) {
  if (count >= 16) return Vector::LoadBf16(p);
  uint16_t lanes[16] = {};
  for (int i = 0; i < count; ++i) lanes[i] = p[i];
  return Vector::LoadBf16(lanes);
}

template <class Vector>
void StoreBf16Part(Vector v, const uint32_t* words, uint16_t* p, int64_t count) {
  if (count >= 16) return RoundByChance(v, words, 0, p);
  uint16_t lanes[16];
  RoundByChance(v, words, 0, lanes);
  for (int i = 0; i < count; ++i) p[i] = lanes[i];
}

// Parameter and gradient in fp32: nothing is drawn.
template <class Vector>
struct FloatParameter {
  using Stored = float;
  void Draw(int64_t, uint64_t) {}
  static Vector Load(const float* p, int64_t count) { return LoadPart<Vector>(p, count); }
  void Store(Vector v, int, float* p, int64_t count) const { StorePart(v, p, count); }
};

template <class Vector>
struct Bf16Parameter {
  using Stored = uint16_t;
  uint32_t words[kDrawBlock];

  void Draw(int64_t first, uint64_t step) {
    DrawWords<Vector>(first, step + (kParameterDraws << 32), words);
  }
  static Vector Load(const uint16_t* p, int64_t count) { return LoadBf16Part<Vector>(p, count); }
  void Store(Vector v, int place, uint16_t* p, int64_t count) const {
    StoreBf16Part(v, words + place, p, count);
  }
};

template <class Vector>
void AddRounded(const Bf16Sum& sum, uint64_t key) {
  uint32_t words[kDrawBlock];
  for (int64_t i = 0; i < sum.count; i += 16) {
    const int64_t place = i % kDrawBlock, left = sum.count - i;
    if (place == 0) DrawWords<Vector>(sum.first + i, key, words);
    const Vector both =
        LoadBf16Part<Vector>(sum.sum + i, left) + LoadBf16Part<Vector>(sum.x + i, left);
    StoreBf16Part(both, words + place, sum.sum + i, left);
  }
}

template <class Vector, class Parameter, class Moments>
void StepAdamWIn(const AdamWTensor& tensor, const AdamWRule& rule) {
  const auto constant = [](double value) { return Vector::Broadcast(static_cast<float>(value)); };
  const auto step = static_cast<double>(rule.step);
  const Vector scale = constant(rule.gradient_scale), epsilon = constant(rule.epsilon);
  const Vector gain1 = constant(1 - rule.beta1), gain2 = constant(1 - rule.beta2);
  const Vector beta2 = constant(rule.beta2);
  const Vector kept = constant(1 - rule.learning_rate * tensor.weight_decay);
  const Vector rate = constant(rule.learning_rate / (1 - std::pow(rule.beta1, step)));
  const Vector root_bias = constant(1 / std::sqrt(1 - std::pow(rule.beta2, step)));
  auto* const parameter = static_cast<typename Parameter::Stored*>(tensor.parameter);
  auto* const gradient = static_cast<const typename Parameter::Stored*>(tensor.gradient);
  auto* const exp_avg = static_cast<typename Moments::Stored*>(tensor.exp_avg);
  auto* const exp_avg_sq = static_cast<typename Moments::Stored*>(tensor.exp_avg_sq);
  Parameter parameters;
  Moments moments;
  for (int64_t i = 0; i < tensor.count; i += 16) {
    const int place = static_cast<int>(i % kDrawBlock);
    if (place == 0) {
      parameters.Draw(tensor.first + i, rule.step);
      moments.Draw(tensor.first + i, rule.step);
    }
    const int64_t left = tensor.count - i;
    const Vector g = Parameter::Load(gradient + i, left) * scale;
    const Vector old_m = Moments::Load(exp_avg + i), old_v = Moments::Load(exp_avg_sq + i);
    const Vector m = Vector::Fma(gain1, g - old_m, old_m);
    const Vector v = Vector::Fma(gain2 * g, g, beta2 * old_v);
    const Vector change = m / Vector::Fma(Vector::Sqrt(v), root_bias, epsilon);
    const Vector p = Parameter::Load(parameter + i, left) * kept;
    parameters.Store(p - rate * change, place, parameter + i, left);
    moments.Store(m, place, 0, exp_avg + i);
    moments.Store(v, place, 16, exp_avg_sq + i);
  }
}

template <class Vector, class Parameter>
void StepAdamWOf(const AdamWTensor& tensor, const AdamWRule& rule) {
  rule.bf16_moments ? StepAdamWIn<Vector, Parameter, Bf16Moments<Vector>>(tensor, rule)
                    : StepAdamWIn<Vector, Parameter, FloatMoments<Vector>>(tensor, rule);
}

template <class Vector>
void StepAdamWAlong(const AdamWTensor& tensor, const AdamWRule& rule) {
  tensor.bf16_parameter ? StepAdamWOf<Vector, Bf16Parameter<Vector>>(tensor, rule)
                        : StepAdamWOf<Vector, FloatParameter<Vector>>(tensor, rule);
}

template <class Vector>
constexpr AdamWLoops MakeAdamWLoops() {
  return {.square_sum = &SquareSum<Vector>,
          .add = &AddRounded<Vector>,
          .step = &StepAdamWAlong<Vector>};
}

}  // namespace cohort::kernels
