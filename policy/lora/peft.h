#pragma once

// Adapters on disk, a folder as PEFT writes it: adapter_config.json, and adapter_model.safetensors
// whose names are those of policy/lora/merge.h with `base_model.model.` put before them.
//
// PEFT (0.18 and later, with transformers 5) keeps the routed experts of a layer in another form:
// they are two parameters there, each with the adapters of all experts in one pair
// (peft/tuners/lora/layer.py, ParamWrapper.get_delta_weight), E experts of rank r:
//   A [E * r, in]   rows by expert, then by rank
//   B [out, r * E]  columns by rank, then by expert
// under `...mlp.experts.base_layer` for the parameter that was wrapped first and `...mlp.experts`
// for the second: the shapes tell which of gate_up_proj [2 m, width] and down_proj [width, m] it
// is. PEFT takes the form that is written here, too, and both are read. gpt-oss's experts have the
// other form alone, the rows of gate_up_proj being gate and up in turn: there it is written.

#include <filesystem>
#include <string>

#include "policy/config/config.h"
#include "policy/lora/config.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

struct LoraAdapter {
  LoraConfig config;
  WeightMap weights;  // by the names of policy/lora/merge.h; fp32 where it was read
};

// `base_model` is what adapter_config.json names as the model that the adapter belongs to.
void WriteLoraAdapter(const LoraAdapter& adapter, const ModelConfig& model,
                      const std::string& base_model, const std::filesystem::path& folder);

// The adapter of a model like `model`. Modules may have ranks and alphas of their own
// (rank_pattern, alpha_pattern): B then carries what sets their scale apart from the config's.
// kUsage naming what PEFT can do and this cannot: other kinds, biases.
LoraAdapter ReadLoraAdapter(const std::filesystem::path& folder, const ModelConfig& model);

// The same adapter with one rank for all of its layers, the largest: A of the others has further
// rows and B further columns of zeros, which have no gradient. The scale stays.
LoraAdapter WithOneRank(LoraAdapter adapter);

// AddAdapters of policy/lora/merge.h.
void MergeLora(const LoraAdapter& adapter, const ModelConfig& config, WeightMap* weights);

}  // namespace cohort::policy
