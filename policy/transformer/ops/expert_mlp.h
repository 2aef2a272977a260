#pragma once

#include <ATen/core/Tensor.h>

#include "policy/transformer/ops/expert_dispatch.h"

namespace cohort::policy {

// The routed experts of one layer as one differentiable operation over rows sorted by expert.
// Shapes: T tokens, K experts per token, E experts, D width, m expert width.

// out[t] = sum_k weights[t, k] * down_e(silu(gate_e x_t) * up_e x_t) with e = experts[t, k], added
// in order of k. Differentiable in x, weights, gate_up and down; each gradient is filled in place,
// expert by expert, without a full-size temporary per expert, and left out for frozen weights.
at::Tensor ExpertMlp(const at::Tensor& x_TD, const at::Tensor& weights_TK,
                     const at::Tensor& gate_up_E2mD, const at::Tensor& down_EDm,
                     const Dispatch& dispatch);

}  // namespace cohort::policy
