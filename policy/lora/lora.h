#pragma once

// Low-rank adapters (LoRA, arXiv 2106.09685): a linear layer gives y = x W^T + (alpha / r) x A^T
// B^T with W frozen, A [r, in] and B [out, r] trained. B starts at zero, so a fresh adapter changes
// nothing; A is uniform in +-1 / sqrt(in) (kaiming_uniform with a = sqrt 5), as PEFT draws it.

#include <cstdint>

#include "policy/lora/config.h"
#include "policy/transformer/transformer.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

// Gives every targeted layer of `policy` an adapter, of its weight's dtype and device, and freezes
// all other parameters. kUsage for a target that names no linear layer of the model, with those
// that it has, or some experts of a layer alone.
void AttachLora(TransformerImpl& policy, const LoraConfig& config, uint64_t seed);

// Detached views of the live adapters, by the names of policy/lora/merge.h; empty without.
WeightMap LoraWeights(const TransformerImpl& policy);
// Copies values in. kUsage naming what is missing, unexpected or of another shape.
void LoadLoraWeights(TransformerImpl& policy, const WeightMap& adapters);

// policy->Weights() with the adapters added: W + (alpha / r) B A. Tensors without adapter are
// views.
WeightMap MergedWeights(const TransformerImpl& policy);

}  // namespace cohort::policy
