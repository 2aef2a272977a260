#pragma once

// The numbers behind rotary positions, shared by learner and decoder so that both rotate by the
// same bits.

#include <cstdint>
#include <span>
#include <vector>

#include "policy/config/config.h"

namespace cohort::policy {

// A pair of channels i at position p turns by the fp32 product p * inverse[i]; cos and sin are then
// multiplied by `attention_factor` (1 without YaRN).
struct RopeFrequencies {
  std::vector<float> inverse;  // [rotary_dim / 2], rounded as transformers' fp32 steps round
  // Under longrope all positions of a sequence of more tokens than long_beyond turn by
  // long_inverse.
  std::vector<float> long_inverse;
  int64_t long_beyond = 0;  // 0: no sequence does
  double attention_factor = 1.0;
};

// default: base^(-2i / rotary_dim). llama3: low frequencies divided by `factor`, a smooth passage
// between (transformers' modeling_rope_utils, after Llama 3.1). yarn: arXiv 2309.00071 section 3.2.
// longrope: divided by a factor each, arXiv 2402.13753.
RopeFrequencies ComputeRopeFrequencies(const RopeConfig& rope, int64_t rotary_dim);

// cos and sin [inverse.size()] of the angles of one position, with the attention factor.
void FillRopeAngles(std::span<const float> inverse, double attention_factor, int64_t position,
                    float* cos, float* sin);

// The factor of the scores q k^T before the softmax: the config's, else query_dim^-1/2, and for
// latent attention under YaRN times (0.1 * mscale_all_dim * ln(factor) + 1)^2.
double AttentionScale(const AttentionConfig& attention, const RopeConfig& rope);

}  // namespace cohort::policy
