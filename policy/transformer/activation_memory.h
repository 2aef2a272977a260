#pragma once

// What a forward pass keeps for its backward pass, counted from the shape of a model: the tensors
// that the autograd functions of this folder save. T tokens of a micro-batch.

#include <cstdint>
#include <optional>

#include "policy/config/config.h"

namespace cohort::policy {

// fp32 numbers of one token, of all layers together.
int64_t KeptActivationsPerToken(const ModelConfig& config);

// Bytes of the layers' activations at the worst moment of a forward and backward pass over
// `tokens`, when the first `recomputed` layers keep their inputs alone (recompute.h); gradients of
// the layer that is worked on are among them, those of weights not, nor logits (ops/logprobs.h).
// Large tensors lie on whole huge pages (policy/tensor/tensor_memory.h).
double ActivationBytes(const ModelConfig& config, int64_t tokens, int64_t recomputed = 0);

// The fewest layers to recompute so that the pass stays within `max_bytes`; nothing where all are
// too few.
std::optional<int64_t> FewestRecomputedLayers(const ModelConfig& config, int64_t tokens,
                                              double max_bytes);

// Of the number of recomputed layers that needs the fewest.
double LeastActivationBytes(const ModelConfig& config, int64_t tokens);

// The most tokens, up to `wanted`, that fit with the layers recomputed that this takes; 0: not one.
int64_t MostTokensWithin(const ModelConfig& config, double max_bytes, int64_t wanted);

}  // namespace cohort::policy
