#pragma once

// Low-rank adapters (LoRA, arXiv 2106.09685): a linear layer gives y = x W^T + scale x A^T B^T with
// W frozen, A [r, in] and B [out, r] trained, and the scale of policy/lora/config.h. B starts at
// zero, so a fresh adapter changes nothing; A is uniform in +-1 / sqrt(in) (kaiming_uniform with a
// = sqrt 5), as PEFT draws it.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "policy/lora/config.h"
#include "policy/lora/peft.h"
#include "policy/transformer/transformer.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

// Gives every targeted layer of `policy` an adapter, of its weight's dtype and device, and freezes
// all other parameters. kUsage for a target that names no linear layer of the model, with those
// that it has, or some experts of a layer alone.
void AttachLora(TransformerImpl& policy, const LoraConfig& config, uint64_t seed);
// The same for the layers that `adapter` has weights for, all of its config's rank, with these
// values. kUsage for one that the model does not have or that has another shape.
void AttachLora(TransformerImpl& policy, const LoraAdapter& adapter);

// From now on the attached adapters leave out inputs in training mode, as `draws` says, which is to
// have the keys of every such forward. kUsage for an adapter of the head, which has none.
void DropLoraInputs(TransformerImpl& policy, std::shared_ptr<const DropoutDraws> draws);

// The layers of a model of this shape that the targets name, by the names of policy/lora/merge.h.
// kUsage as in AttachLora; no weight is needed.
std::vector<std::string> LoraModules(const ModelConfig& config,
                                     const std::vector<std::string>& targets);
// kUsage where AttachLora would refuse the adapter; no weight is needed.
void CheckAdapter(const ModelConfig& config, const LoraAdapter& adapter);

// Detached views of the live adapters, by the names of policy/lora/merge.h; empty without.
WeightMap LoraWeights(const TransformerImpl& policy);
// Copies values in. kUsage naming what is missing, unexpected or of another shape.
void LoadLoraWeights(TransformerImpl& policy, const WeightMap& adapters);

// policy->Weights() with the adapters added: W + scale B A. Tensors without adapter are
// views.
WeightMap MergedWeights(const TransformerImpl& policy);

}  // namespace cohort::policy
