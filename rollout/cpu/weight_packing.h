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
// The same for one expert.
at::Tensor TakeExpert(policy::WeightSource& weights, const std::string& name,
                      policy::ExpertIndex expert, at::IntArrayRef shape);

// Which panels of a matrix to fill: from `first` on, every `step`-th.
struct PanelRun {
  int64_t first = 0;
  int64_t step = 1;
};

// rows[count, values] become columns of `matrix`.
void PackRows(kernels::ThreadPool& pool, kernels::PackedMatrix& matrix, PanelRun run,
              const float* rows, int64_t count, int64_t values);

// The same for an fp32 tensor on the CPU, contiguous, of two dimensions.
void PackTensor(kernels::ThreadPool& pool, kernels::PackedMatrix& matrix, const at::Tensor& tensor,
                PanelRun run = {});

}  // namespace cohort::rollout
