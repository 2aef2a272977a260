#pragma once

#include <ATen/core/Tensor.h>

namespace cohort::rl {

// min(exp(old - rollout), cap) per token, detached: what the gap between the learner's and the
// decoder's probabilities is worth (truncated importance sampling, Yao et al. 2025; the same
// weight as eq. 3 of IMPALA, arXiv 1802.01561).
at::Tensor ImportanceCorrection(const at::Tensor& old_logprobs_T,
                                const at::Tensor& rollout_logprobs_T, double cap);

}  // namespace cohort::rl
