#pragma once

#include <ATen/core/Tensor.h>

#include "policy/transformer/ops/expert_dispatch.h"
#include "policy/transformer/ops/gated_unit.h"

namespace cohort::policy {

// The routed experts of one layer as one differentiable operation over rows sorted by expert.
// Shapes: T tokens, K experts per token, E experts, D width, m expert width.

struct ExpertWeights {
  at::Tensor gate_up_E2mD, down_EDm;
  at::Tensor gate_up_bias_E2m, down_bias_ED;  // both or none: undefined
  GatedUnit unit = GatedUnit::kSwiGlu;
  at::Tensor gate_up_scale_inv = {}, down_scale_inv = {};  // of KeptMatrix in matmul.h
};

// out[t] = sum_k weights[t, k] * down_e(unit(gate_e x_t, up_e x_t)) with e = experts[t, k], added
// in order of k; the three projections with their biases, where there are some. Differentiable in
// x, weights and the experts' tensors; each gradient is filled in place, expert by expert, without
// a full-size temporary per expert, and left out for frozen weights.
at::Tensor ExpertMlp(const at::Tensor& x_TD, const at::Tensor& weights_TK,
                     const ExpertWeights& experts, const Dispatch& dispatch);

}  // namespace cohort::policy
