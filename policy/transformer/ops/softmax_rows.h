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

// The numbers that turn logits into probabilities, [N] each: the largest of logit / temperature,
// and the sum of e^(logit / temperature - max). Of their logarithm alone 1 - softmax of a sure
// token would keep few digits.
struct RowScale {
  at::Tensor max, sum;

  RowScale Narrow(int64_t first, int64_t count) const {
    return {max.narrow(0, first, count), sum.narrow(0, first, count)};
  }
};

// [N] each, in the logits' dtype.
struct NormalizedRows {
  at::Tensor logprobs;  // log_softmax(logits / temperature)[target]
  at::Tensor entropy;   // of that distribution, nats
  RowScale scale;

  NormalizedRows Narrow(int64_t first, int64_t count) const {
    return {logprobs.narrow(0, first, count), entropy.narrow(0, first, count),
            scale.Narrow(first, count)};
  }
};

void Normalize(const LogitRows& rows, const NormalizedRows& out);

// weight (onehot(target) - softmax(logits / temperature)): [N, V]. With the gradient of the
// logprobs over the temperature as weight it is that of the logits.
at::Tensor LogitGradient(const LogitRows& rows, const RowScale& scale, const at::Tensor& weight_N);

}  // namespace cohort::policy
