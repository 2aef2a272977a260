#pragma once

#include <ATen/core/Tensor.h>

#include "policy/config/rope_frequencies.h"

namespace cohort::policy {

// Rotary position embedding (arXiv 2104.09864): the angles of a pack's positions.
// Shapes: T tokens, R = rotary_dim / 2.
struct RopeAngles {
  at::Tensor cos_T1R;  // fp32, the attention factor included
  at::Tensor sin_T1R;
};

// Computed in fp32 as transformers does; the layers of one rope share them. On the CPU they are
// those of the decoder, bit for bit. long_T (bool, undefined: none): the tokens of sequences beyond
// frequencies.long_beyond.
RopeAngles RopeAnglesAt(const at::Tensor& positions_T, const RopeFrequencies& frequencies,
                        const at::Tensor& long_T = {});

// Turns pair i of channels by angle i: (i, i + R) of Llama, or (2i, 2i + 1) when `interleaved`. The
// turned pair always lies at (i, i + R): queries and keys go through here alike, so that their
// products do not depend on it. x: [T, H, d] with d at least 2R; channels from 2R on stay as they
// are. Differentiable in x.
at::Tensor Rotate(const at::Tensor& x_THd, const RopeAngles& angles, bool interleaved);

}  // namespace cohort::policy
