#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "policy/transformer/ops/attend_segments.h"

namespace cohort::policy {

// Shapes: T packed rows, G key heads, H value heads (a multiple of G; neighbours share one).
struct DeltaRuleInput {
  at::Tensor q, k;       // [T, G, key_dim]
  at::Tensor v;          // [T, H, value_dim]
  at::Tensor log_decay;  // [T, H], at most 0
  at::Tensor beta;       // [T, H]
};

// The gated delta rule (arXiv 2412.06464 eq. 10): from the segment's start, or from the state at
// the end of its prefix, S = e^log_decay S; S += k (beta (v - S^T k))^T; out = S^T q. Out: [T, H *
// value_dim]; differentiable. In fp32 on the CPU it is kernels/cpu/segment_delta_rule.h, else the
// chunks of section 3.3 in LibTorch; states are fp32 at least.
at::Tensor GatedDeltaRule(const DeltaRuleInput& input, const std::vector<Segment>& segments);

}  // namespace cohort::policy
