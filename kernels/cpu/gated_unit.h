#pragma once

namespace cohort::kernels {

// The middle of a gated FFN, elementwise in its gate g and its up u (arXiv 2002.05202).
enum class GatedUnit {
  kSwiGlu,  // silu(g) u
  kGeGlu,   // gelu(g) u with the tanh form of gelu, sqrt(2 / pi) and 0.044715 (arXiv 1606.08415)
  // gpt-oss: with g cut to at most 7 and u to [-7, 7], g sigmoid(1.702 g) (u + 1).
  kClampedSwiGlu,
};

constexpr float kClampedSwiGluLimit = 7.0F;
constexpr float kClampedSwiGluSlope = 1.702F;

}  // namespace cohort::kernels
