#pragma once

// From named tensors to packed panels: what decoder_weights and attention_weights fill their
// matrices with.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/thread_pool.h"
#include "policy/weights/weight_source.h"

namespace cohort::rollout {

// Takes a tensor, so that its memory can go once it is packed: fp32, contiguous, on the CPU; no
// copy where it already is. kUsage naming a tensor that is missing or has another shape.
at::Tensor TakeTensor(policy::WeightSource& weights, const std::string& name,
                      at::IntArrayRef shape);
std::vector<float> TakeVector(policy::WeightSource& weights, const std::string& name, int64_t n);
// The weight of a norm as the kernels multiply by it.
std::vector<float> TakeNorm(policy::WeightSource& weights, const std::string& name, int64_t n,
                            bool adds_one);
// TakeTensor for one expert.
at::Tensor TakeExpert(policy::WeightSource& weights, const std::string& name,
                      policy::ExpertIndex expert, at::IntArrayRef shape);

// The panels of a matrix that are filled: from `first` on, every `step`-th.
struct PanelRun {
  int64_t first = 0;
  int64_t step = 1;
};

struct RowsToPack {
  const float* data;  // [count, values]
  int64_t count;
  int64_t values;
};
// The rows become columns of `matrix`.
void PackRows(kernels::ThreadPool& pool, const RowsToPack& rows, PanelRun run,
              kernels::PackedMatrix* matrix);

// Packs an fp32 tensor on the CPU, contiguous, of two dimensions.
void PackTensor(kernels::ThreadPool& pool, const at::Tensor& tensor, PanelRun run,
                kernels::PackedMatrix* matrix);

}  // namespace cohort::rollout
