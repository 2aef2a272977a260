#pragma once

// The optimizer's two passes over a list of tensors: sums of squares, for the gradients' norm, and
// a step of AdamW (arXiv 1711.05101, algorithm 2) that scales the gradients as it reads them. Each
// element is computed by itself and each sum has one order, so neither the threads, nor the cut
// into tasks, nor the instruction set changes a bit.
//
// Moments are fp32 or bf16. What bf16 cannot hold of a moment is rounded up or down by chance, with
// the mean that was to be stored (stochastic rounding, arXiv 1502.02551): to the nearest, an
// average that moves by less than 1/512 of itself a step would stand still. The chance is drawn
// from Philox4x32-10 (SC 2011) with the step as key: a step that is repeated draws the same.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/dense_product.h"
#include "kernels/cpu/ops.h"

namespace cohort::kernels {

// Consecutive elements that share their draws' counters: element i of a list is served by word
// i % 64 / 16 of the counter i / 64 * 16 + i % 16, its lower half for exp_avg, the upper for the
// other.
constexpr int64_t kDrawBlock = 64;

struct AdamWTensor {
  float* parameter;
  const float* gradient;
  // float, or uint16_t holding bf16, with room for `count` rounded up to 16: the room holds 0.
  void *exp_avg, *exp_avg_sq;
  int64_t count;
  int64_t first;        // the number of element 0 among all that draw: a multiple of kDrawBlock
  double weight_decay;  // decoupled
};

struct AdamWRule {
  double gradient_scale = 1, learning_rate = 0;
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  uint64_t step = 1;  // counted from 1
  bool bf16_moments = false;
};

// Of each tensor, in double precision, so that they may be of any size.
std::vector<double> SquareSums(std::span<const std::span<const float>> tensors, const Ops& ops,
                               const ParallelTasks& parallel);
// The tensors must not overlap.
void StepAdamW(std::span<const AdamWTensor> tensors, const AdamWRule& rule, const Ops& ops,
               const ParallelTasks& parallel);

// The loops of one instruction set.
struct AdamWLoops {
  double (*square_sum)(const float* x, int64_t n);
  void (*step)(const AdamWTensor& tensor, const AdamWRule& rule);
};
const AdamWLoops& ScalarAdamW();
const AdamWLoops* Avx2AdamW();    // null where the compiler does not target x86-64
const AdamWLoops* Avx512AdamW();  // likewise

}  // namespace cohort::kernels
