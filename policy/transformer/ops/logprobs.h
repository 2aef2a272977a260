#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cohort::policy {

struct TokenLogprobs {
  at::Tensor logprobs_N;  // fp32: log_softmax(hidden W^T / temperature)[target], whole vocabulary
  at::Tensor entropy_N;   // fp32, detached: entropy of that distribution, nats
};

// What turns a hidden state into logits: the matrix, then cap tanh(logit / cap) where there is a
// cap (arXiv 2408.00118 section 2).
struct LogitHead {
  at::Tensor weight_VD;
  double soft_cap = 0;  // 0: none
};

// Differentiable in hidden_ND and the head's weight. Where all N * V logits would be large they are
// made and dropped in chunks of rows, forwards and backwards, so that memory is O(chunk * V).
TokenLogprobs ComputeTokenLogprobs(const at::Tensor& hidden_ND, const LogitHead& head,
                                   const at::Tensor& targets_N, double temperature);

// Bytes that it holds at most with the backward pass, of fp32 rows and head: logits, their
// gradient, and that of the head where it is `trained`.
int64_t LogprobsBytes(int64_t rows, int64_t vocab_size, int64_t width, bool trained);

}  // namespace cohort::policy
