#pragma once

#include <ATen/core/Tensor.h>

namespace cohort::policy {

struct TokenLogprobs {
  at::Tensor logprobs_N;  // fp32: log_softmax(hidden W^T / temperature)[target], whole vocabulary
  at::Tensor entropy_N;   // fp32, detached: entropy of that distribution, nats
};

// Differentiable in hidden_ND and head_VD. Where all N * V logits would be large they are made and
// dropped in chunks of rows, forwards and backwards, so that memory is O(chunk * V).
TokenLogprobs ComputeTokenLogprobs(const at::Tensor& hidden_ND, const at::Tensor& head_VD,
                                   const at::Tensor& targets_N, double temperature);

}  // namespace cohort::policy
