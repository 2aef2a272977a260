#pragma once

// The size of a model of some shape: parameters, bytes on disk, bytes of cache; without its
// multi-token-prediction layers, which decoding does not need.

#include <cstdint>

#include "policy/config/config.h"
#include "policy/tensor/dtype.h"

namespace cohort::policy {

struct ModelSize {
  int64_t total = 0;
  int64_t routed_experts = 0;  // of all MoE layers together
  int64_t embedding = 0;       // the table that turns tokens into rows, V * D
  int64_t active = 0;          // that one token meets: total - routed_experts * (E - K) / E
  int64_t mtp = 0;             // left out: each such layer a decoder layer, 2 D * D and 3 D

  int64_t dense() const { return total - routed_experts; }
  // Parameters in the matrix products of one token: a table that is only looked up is none.
  int64_t multiplied(bool tied) const { return active - (tied ? 0 : embedding); }
};
ModelSize MeasureModel(const ModelConfig& config);

struct StoredSize {
  int64_t total = 0;           // bytes
  int64_t routed_experts = 0;  // of which
  int64_t embedding = 0;       // of which
};
// The bytes of the tensors of a folder written in `dtype` (policy/weights/stored_tensors.h,
// StoredDtype), the block scales of FP8 among them. kUsage for FP8 where the family has no such
// form.
StoredSize MeasureFolder(const ModelConfig& config, Dtype dtype);

// Tokens of a sequence of `tokens` that the cache keeps, summed over the layers: all of them, or
// the last ones in a layer with a window (arXiv 2310.06825 section 2), none in a gated delta net.
int64_t CachedTokens(const ModelConfig& config, int64_t tokens);

// Numbers that they are: keys and values of every KV head (arXiv 2305.13245), or one latent and one
// rotary key (arXiv 2405.04434 section 2.1.2).
int64_t CachedValues(const ModelConfig& config, int64_t tokens);

// Numbers that the gated delta nets keep of a sequence however long it is: a matrix for every value
// head (arXiv 2412.06464), and the rows before the convolution.
int64_t RecurrentValues(const ModelConfig& config);
// Operations of one token with these matrices, in all layers: what is known of its key, the update,
// and what its query reads.
int64_t RecurrentFlopsPerToken(const ModelConfig& config);

}  // namespace cohort::policy
