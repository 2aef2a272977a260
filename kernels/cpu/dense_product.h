#pragma once

// Products of plain matrices, a list of them in one go: out[M, N] = a[M, K] b[N, K]^T of fp32
// matrices, any strides. Both the forward product and the two gradients of a linear layer are of
// this form.
//
// Pieces of b (and first of all an a whose rows are not contiguous) are copied into the order that
// the register tile reads; for the bf16 classes both are, which rounds them. Each output
// is a sum over K in the order of ops.h, so neither the cut into tasks, nor the thread count, nor
// the instruction set changes a bit of it.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/cpu/ops.h"
#include "kernels/cpu/stored_matrix.h"

namespace cohort::kernels {

struct DenseProduct {
  // Element (i, k) of a is at a[i * a_row + k * a_column]; strides count floats. b likewise.
  const float* a = nullptr;
  int64_t a_row = 0, a_column = 0;
  const float* b = nullptr;
  int64_t b_row = 0, b_column = 0;
  float* out = nullptr;  // rows of contiguous columns, out_row apart; overlaps neither a nor b
  int64_t out_row = 0;
  int64_t rows = 0, depth = 0, columns = 0;  // M, K, N; depth 0 gives zeros
  bool accumulate = false;                   // the sums of K's blocks are added to what out holds
  Numerics numerics = Numerics::kFloat32;
  StoredMatrix stored_b = {};  // in the place of b, where it has data
};

// Calls task(0) .. task(n - 1), on any threads, and returns when all are done.
using ParallelTasks = std::function<void(int64_t n, const std::function<void(int64_t)>& task)>;

// How many floats of scratch MultiplyDense takes for these products.
int64_t DenseScratchFloats(std::span<const DenseProduct> products);

// `scratch`: that many floats, 64-byte aligned, contents irrelevant. Products of one list must not
// overlap in `out`.
void MultiplyDense(std::span<const DenseProduct> products, const Ops& ops, float* scratch,
                   const ParallelTasks& parallel);

}  // namespace cohort::kernels
