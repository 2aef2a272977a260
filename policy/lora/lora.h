#pragma once

// Low-rank adapters (LoRA, arXiv 2106.09685): a linear layer gives y = x W^T + (alpha / r) x A^T
// B^T with W frozen, A [r, in] and B [out, r] trained. B starts at zero, so a fresh adapter changes
// nothing; A is uniform in +-1 / sqrt(in) (kaiming_uniform with a = sqrt 5), as PEFT draws it.
//
// The adapter of a linear layer NAME is two tensors, `NAME.lora_A.weight` and `NAME.lora_B.weight`,
// where NAME is Hugging Face's: every routed expert has layers of its own, as
// `model.layers.1.mlp.experts.3.gate_proj` or, in Mixtral, `...block_sparse_moe.experts.3.w1`.
// On disk they are a folder as PEFT writes it: adapter_config.json, and adapter_model.safetensors
// whose names are those with `base_model.model.` put before them. PEFT with transformers 5 keeps
// routed experts in another form (policy/lora/peft_experts.h): it takes this one, and both are
// read.

#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <vector>

#include "policy/transformer/transformer.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

constexpr char kAllLinear[] = "all-linear";

struct LoraConfig {
  int64_t rank = 8;
  double alpha = 16;
  // Last parts of those names ("q_proj", "shared_experts.up_proj"), or kAllLinear: every linear
  // layer but the head. Routers are no linear layers.
  std::vector<std::string> targets;

  double scale() const { return alpha / static_cast<double>(rank); }
};

// Gives every targeted layer of `policy` an adapter and freezes all other parameters. kUsage for a
// target that names no linear layer of the model, with those that it has, or some experts of a
// layer alone.
void AttachLora(Transformer& policy, const LoraConfig& config, uint64_t seed);

// Detached views of the live adapters, by name; empty without.
WeightMap LoraWeights(const Transformer& policy);
// Copies values in. kUsage naming what is missing, unexpected or of another shape.
void LoadLoraWeights(Transformer& policy, const WeightMap& adapters);

// policy->Weights() with the adapters added: W + (alpha / r) B A. Tensors without adapter are
// views.
WeightMap MergedWeights(const Transformer& policy);

struct LoraAdapter {
  LoraConfig config;
  WeightMap weights;  // fp32
};
// `base_model` is what adapter_config.json names as the model that the adapter belongs to.
void WriteLoraAdapter(const LoraAdapter& adapter, const ModelConfig& model,
                      const std::string& base_model, const std::filesystem::path& folder);
// The adapter of a model like `model`. Modules may have ranks and alphas of their own
// (rank_pattern, alpha_pattern): B then carries what sets their scale apart from the config's.
// kUsage naming what PEFT can do and this cannot: other kinds, biases.
LoraAdapter ReadLoraAdapter(const std::filesystem::path& folder, const ModelConfig& model);

// Adds an adapter to the weights of a model: tensors that it touches are replaced, not written
// into. kUsage for one that does not fit them.
void MergeLora(const LoraAdapter& adapter, const ModelConfig& config, WeightMap& weights);
// The same for `adapters` as LoraWeights gives them.
void AddAdapters(const WeightMap& adapters, double scale, const ModelConfig& config,
                 WeightMap& weights);

}  // namespace cohort::policy
