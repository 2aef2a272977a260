#pragma once

// Sums along a row, written once for all vector types. Included by ops_*.cc.

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/ops.h"

namespace cohort::kernels {

// A sum over a row in 16 lanes (ops.h): chains of kChainTerms terms, added up in order.
template <class Vector>
class LaneSum {
 public:
  void Add(Vector term) { chain_ = chain_ + term; }
  void AddProduct(Vector a, Vector b) { chain_ = Vector::Fma(a, b, chain_); }
  void EndChain() {
    total_ = total_ + chain_;
    chain_ = Vector::Broadcast(0.0f);
  }
  float Total() const { return Vector::Sum(total_); }

 private:
  Vector total_ = Vector::Broadcast(0.0f), chain_ = total_;
};

// add(i) for the vectors at 0, 16, .. of a row of n elements; the sums' chains end with each block.
template <class F, class... Sums>
[[gnu::always_inline]] inline void SumOverRow(int64_t n, F add, Sums&... sums) {
  for (int64_t begin = 0; begin < n; begin += kRowBlock) {
    const int64_t end = std::min(n, begin + kRowBlock);
    for (int64_t i = begin; i < end; i += 16) add(i);
    (sums.EndChain(), ...);
  }
}

}  // namespace cohort::kernels
