#include "kernels/cpu/gate_weights.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/ops.h"

namespace cohort::kernels {

void ScoreExperts(const Ops& ops, const GateRule& rule, const float* logits, float* scores) {
  if (rule.score == GateScore::kSigmoid) return ops.sigmoid(logits, rule.num_experts, scores);
  std::copy(logits, logits + rule.num_experts, scores);
  const float sum = ops.softmax_exp(scores, 1.0f, -INFINITY, rule.num_experts).total;
  for (int64_t e = 0; e < rule.num_experts; ++e) scores[e] /= sum;
}

void WeighExperts(const GateRule& rule, const float* scores, const int32_t* experts,
                  float* weights) {
  float sum = 0.0f;
  for (int64_t k = 0; k < rule.experts_per_token; ++k) {
    weights[k] = scores[experts[k]];
    sum += weights[k];
  }
  const float divisor = rule.normalize_weights ? sum + 1e-20f : 1.0f;
  for (int64_t k = 0; k < rule.experts_per_token; ++k) {
    weights[k] = weights[k] / divisor * static_cast<float>(rule.routed_scaling);
  }
}

}  // namespace cohort::kernels
