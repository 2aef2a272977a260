#pragma once

// The softmax over the vocabulary, a row at a time. Shapes: N rows, V logits each.

#include <ATen/core/Tensor.h>

namespace cohort::policy {

// Logits before the temperature; contiguous, any floating dtype and device. In fp32 on the CPU each
// row is read twice by the kernels room; elsewhere it is LibTorch.
struct LogitRows {
  at::Tensor logits_NV, targets_N;  // targets int64
  double temperature = 1;
};

// [N] each, in the logits' dtype.
struct NormalizedRows {
  at::Tensor logprobs;  // log_softmax(logits / temperature)[target]
  at::Tensor entropy;   // of that distribution, nats
  at::Tensor log_sum;   // log sum e^(logit / temperature)

  NormalizedRows Narrow(int64_t first, int64_t count) const;
};

void Normalize(const LogitRows& rows, const NormalizedRows& out);

// weight (onehot(target) - softmax(logits / temperature)): [N, V]. With the gradient of the
// logprobs over the temperature as weight it is that of the logits.
at::Tensor LogitGradient(const LogitRows& rows, const at::Tensor& log_sum_N,
                         const at::Tensor& weight_N);

}  // namespace cohort::policy
