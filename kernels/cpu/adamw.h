#pragma once

// The optimizer's two passes over a list of tensors: sums of squares, for the gradients' norm, and
// a step of AdamW (arXiv 1711.05101, algorithm 2) that scales the gradients as it reads them. Each
// element is computed by itself and each sum has one order, so neither the threads, nor the cut
// into tasks, nor the instruction set changes a bit.
//
// Moments are fp32 or bf16; a parameter and its gradient are, too. What bf16 cannot hold of a
// number is rounded up or down by chance, with the mean that was to be stored (stochastic rounding,
// arXiv 1502.02551): to the nearest, an average that moves by less than 1/512 of itself a step, or
// a parameter whose steps are as small, would stand still. The chance is drawn from Philox4x32-10
// (SC 2011) with the step as key: a step that is repeated draws the same.

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

// The upper half of a key says what is rounded, the lower half is the step. Of a parameter and of a
// sum of gradients the lower half of an element's word is drawn.
constexpr uint64_t kMomentDraws = 0, kParameterDraws = 1, kGradientDraws = 2;  // and those after it

struct AdamWTensor {
  void* parameter;  // float, or with bf16_parameter uint16_t holding bf16
  const void* gradient;
  // float, or uint16_t holding bf16, with room for `count` rounded up to 16: the room holds 0.
  void *exp_avg, *exp_avg_sq;
  int64_t count;
  int64_t first;        // the number of element 0 among all that draw: a multiple of kDrawBlock
  double weight_decay;  // decoupled
  bool bf16_parameter = false;
};

struct AdamWRule {
  double gradient_scale = 1, learning_rate = 0;
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  uint64_t step = 1;  // counted from 1
  bool bf16_moments = false;
};

struct GradientValues {
  const void* data;  // float, or uint16_t holding bf16
  int64_t count;
  bool bf16 = false;
};
// Of each tensor, in double precision, so that they may be of any size.
std::vector<double> SquareSums(std::span<const GradientValues> tensors, const Ops& ops,
                               const ParallelTasks& parallel);
// sum += x of bf16 numbers, the `addition`-th (from 0) to this sum in the step: in fp32, rounded by
// chance. Rounded to the nearest, a sum would take no more of what is 1/512 of it.
struct Bf16Sum {
  uint16_t* sum;
  const uint16_t* x;
  int64_t count;
  int64_t first;  // as AdamWTensor has it
};
void AddToBf16(std::span<const Bf16Sum> sums, uint64_t step, uint64_t addition, const Ops& ops,
               const ParallelTasks& parallel);
// The tensors must not overlap.
void StepAdamW(std::span<const AdamWTensor> tensors, const AdamWRule& rule, const Ops& ops,
               const ParallelTasks& parallel);

// The loops of one instruction set.
struct AdamWLoops {
  double (*square_sum)(const GradientValues& values);
  void (*add)(const Bf16Sum& sum, uint64_t key);
  void (*step)(const AdamWTensor& tensor, const AdamWRule& rule);
};
const AdamWLoops& ScalarAdamW();
const AdamWLoops* Avx2AdamW();    // null where the compiler does not target x86-64
const AdamWLoops* Avx512AdamW();  // likewise

}  // namespace cohort::kernels
