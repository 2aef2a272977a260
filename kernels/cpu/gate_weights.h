#pragma once

// What the experts that a token goes to count for, whoever picked them.

#include <cstdint>

#include "kernels/cpu/gate.h"

namespace cohort::kernels {

// The router's scores[E] of its logits[E], before any bias.
void ScoreExperts(const Ops& ops, const GateRule& rule, const float* logits, float* scores);

// Of experts[K], distinct ones in 0..E-1, in their order.
void WeighExperts(const GateRule& rule, const float* scores, const int32_t* experts,
                  float* weights);

}  // namespace cohort::kernels
