#pragma once

// Adapters by name, and added to the weights that they belong to.
//
// The adapter of a linear layer NAME is two tensors, `NAME.lora_A.weight` and `NAME.lora_B.weight`,
// where NAME is Hugging Face's: every routed expert has layers of its own, as
// `model.layers.1.mlp.experts.3.gate_proj` or, in Mixtral, `...block_sparse_moe.experts.3.w1`.

#include <string>
#include <string_view>

#include "policy/config/config.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

constexpr std::string_view kLoraDown = ".lora_A.weight", kLoraUp = ".lora_B.weight";

// The layer that the tensor `name` of an adapter belongs to.
inline std::string AdaptedModule(const std::string& name) {
  return name.substr(0, name.rfind(".lora_"));
}

// W + scale B A, in fp32, for every adapter: tensors of `weights` that it touches are replaced, not
// written into. kUsage for an adapter that does not fit them.
void AddAdapters(const WeightMap& adapters, double scale, const ModelConfig& config,
                 WeightMap* weights);

}  // namespace cohort::policy
