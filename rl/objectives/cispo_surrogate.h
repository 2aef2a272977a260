#pragma once

#include <ATen/core/Tensor.h>

#include "rl/objectives/clipped_surrogate.h"

namespace cohort::rl {

// -stop_gradient(min(ratio, cap)) A logprob: every token keeps a gradient, only its weight is
// capped (arXiv 2506.13585, eq. 4 and 5, without the lower bound that the paper leaves open).
Surrogate CispoSurrogate(const proto::Objective& objective, const at::Tensor& ratio_T,
                         const at::Tensor& advantages_T, const at::Tensor& policy_logprobs_T);

}  // namespace cohort::rl
