#pragma once

// The inner loop of the gated delta rule and of the short convolution before it, written once for
// all vector types. Included by ops_*.cc.

#include <cstdint>

#include "kernels/cpu/delta_scan.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/vector/vector_math.h"

namespace cohort::kernels {

// Sixteen columns of a state through all tokens; delta_scan.h states the order of the sums.
template <class Vector>
void DeltaScan(const DeltaScanArgs& args) {
  constexpr int kChains = 4;
  const int64_t n = args.key_dim;
  for (int64_t t = 0; t < args.tokens; ++t) {
    const float *q = args.q + t * args.qk_row, *k = args.k + t * args.qk_row;
    const Vector decay = Vector::Broadcast(args.decay[t * args.gate_row]);
    const Vector zero = Vector::Broadcast(0.0f);
    Vector known[kChains] = {zero, zero, zero, zero};
    int64_t i = 0;
    for (; i + kChains <= n; i += kChains) {
      for (int c = 0; c < kChains; ++c) {
        const Vector row = Vector::Load(args.state + (i + c) * 16);
        known[c] = Vector::Fma(Vector::Broadcast(k[i + c]), row, known[c]);
      }
    }
    for (int c = 0; i + c < n; ++c) {
      const Vector row = Vector::Load(args.state + (i + c) * 16);
      known[c] = Vector::Fma(Vector::Broadcast(k[i + c]), row, known[c]);
    }
    const Vector sum = (known[0] + known[1]) + (known[2] + known[3]);
    const Vector residual = LoadPart<Vector>(args.v + t * args.v_row, args.columns) - decay * sum;
    const Vector write = residual * Vector::Broadcast(args.beta[t * args.gate_row]);
    Vector out[kChains] = {zero, zero, zero, zero};
    const auto update = [&](int64_t at, int c) {
      float* row = args.state + at * 16;
      const Vector next = Vector::Fma(Vector::Broadcast(k[at]), write, decay * Vector::Load(row));
      next.Store(row);
      out[c] = Vector::Fma(Vector::Broadcast(q[at]), next, out[c]);
    };
    for (i = 0; i + kChains <= n; i += kChains) {
      for (int c = 0; c < kChains; ++c) update(i + c, c);
    }
    for (int c = 0; i + c < n; ++c) update(i + c, c);
    StorePart((out[0] + out[1]) + (out[2] + out[3]), args.out + t * args.out_row, args.columns);
    if (args.residual != nullptr) {
      StorePart(residual, args.residual + t * args.out_row, args.columns);
    }
  }
}

template <class Vector>
void ConvSilu(const float* const* rows, const float* weight, int64_t width, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 16) {
    Vector sum = Vector::Broadcast(0.0f);
    for (int64_t w = 0; w < width; ++w) {
      sum = Vector::Fma(LoadPart<Vector>(rows[w] + i, n - i),
                        LoadPart<Vector>(weight + w * n + i, n - i), sum);
    }
    StorePart(sum * Sigmoid<Vector>(sum), out + i, n - i);
  }
}

}  // namespace cohort::kernels
