#pragma once

// Products of the class kFp8Blocks, as DeepSeek-V3 trains (arXiv 2412.19437 section 3.3, and
// inference/kernel.py of its repository), computed exactly on any CPU:
//   out[i, j] = sum over blocks b of 128 along K of dot(a8, b8) * (scale_a[i, b] * scale_b[j, b])
// with a8 and b8 in e4m3 (e4m3.h), each dot one chain of the class kBf16Dot, whose products are
// exact, and the sum over the blocks fused multiply-adds in fp32, in ascending order. The last
// block along K may be shorter.
//
// What an operand is says which of its numbers share a scale:
//   an activation   128 along K of one row (1 x 128), the scale max(|x|, 1e-4) / 448
//   a gradient      the same; its scale may be as small as numbers are: losses are means over many
//                   tokens, so that gradients are often far below 1e-4
//   a weight        blocks of 128 x 128, from index 0 on, those at the edges smaller; rounded to
//                   bf16 before, so that they are made of the same numbers as what rollout workers
//                   are given; the scale max|w| / 448, 1 for a block of zeros. Those that are kept
//                   in e4m3 are taken as they are, with their scales, and rounded anew only where
//                   one block along K would have two
// The gradient of a weight is a product along tokens: its operands are tiles of 128 tokens of one
// channel (128 x 1), made of the fp32 numbers that the forward pass kept.
//
// An output's bits do not depend on the cut into tasks, the threads or the instruction set, nor on
// the rows beside it. Of the gradient of a weight they depend on which tokens share a tile.

#include <span>

#include "kernels/cpu/dense_product.h"
#include "kernels/cpu/e4m3.h"

namespace cohort::kernels {

// The three products of a linear layer.
enum class Fp8Pass {
  kFprop,  // a = activations, b = weights
  kDgrad,  // a = gradients, b = weights, transposed
  kWgrad,  // a = gradients, b = activations, both transposed
};

struct Fp8Product {
  DenseProduct product;  // its `numerics` is not read; depth 0 gives zeros
  Fp8Pass pass = Fp8Pass::kFprop;
  Fp8ScaleFormat scales = Fp8ScaleFormat::kFloat32;
};

// How many floats of scratch MultiplyFp8 takes for these products.
int64_t Fp8ScratchFloats(std::span<const Fp8Product> products);

// As MultiplyDense.
void MultiplyFp8(std::span<const Fp8Product> products, const Ops& ops, float* scratch,
                 const ParallelTasks& parallel);

}  // namespace cohort::kernels
