#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cpu/gate.h"

namespace cohort::policy {

// The experts that each token goes to. T tokens, K experts per token, E experts.
struct Routing {
  at::Tensor experts_TK;  // int64, best first
  at::Tensor weights_TK;  // fp32, carries grad
};

// On the CPU the picks and weights are those of the decoder's gate, bit for bit.
// Scores are sigmoid or softmax of the logits (arXiv 2412.19437 eq. 12-16, 2405.04434 section 2.2).
// Picks the K largest of score + bias, in the groups_per_token best groups alone where there are
// groups, the lowest index first among equals. The weights leave the bias out. Without a selection
// bias, bias_E is undefined.
Routing Route(const at::Tensor& logits_TE, const at::Tensor& bias_E, const kernels::GateRule& rule);
// To experts [T, K] int64 that another engine picked, with the weights that these logits give them.
Routing RouteTo(const at::Tensor& experts_TK, const at::Tensor& logits_TE,
                const kernels::GateRule& rule);
// Tokens whose experts are not the same set in both.
int64_t CountDifferentlyRouted(const at::Tensor& a_TK, const at::Tensor& b_TK);

}  // namespace cohort::policy
