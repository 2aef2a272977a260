#pragma once

// How PEFT (0.18 and later, with transformers 5) keeps the adapters of a mixture. The routed
// experts of a layer are two parameters there, each with the adapters of all experts in one pair
// (peft/tuners/lora/layer.py, ParamWrapper.get_delta_weight), E experts of rank r:
//   A [E * r, in]   rows by expert, then by rank
//   B [out, r * E]  columns by rank, then by expert
// under `...mlp.experts.base_layer` for the parameter that was wrapped first and `...mlp.experts`
// for the second: the shapes tell which of gate_up_proj [2 m, width] and down_proj [width, m] it
// is.

#include <string>
#include <vector>

#include "policy/config/config.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

// The parameter that an adapter of the routed experts belongs to, "...mlp.experts.down_proj"; any
// other `module` unchanged. kUsage where A and B fit neither of a layer's parameters.
std::string AdaptedParameter(const std::string& module, const at::Tensor& a, const at::Tensor& b,
                             const ModelConfig& config);

// The adapters `module`.lora_A.weight and .lora_B.weight under the names of policy/lora/lora.h:
// those of a layer's experts as one pair for each projection of each expert, views. `module` is
// what AdaptedParameter gave.
WeightMap AdaptersByName(const std::string& module, const at::Tensor& a, const at::Tensor& b,
                         const ModelConfig& config);

// Whether PEFT would take `module` in `target_modules` for the routed experts' projection of that
// name: then it goes to `target_parameters` (_convert_peft_config_moe in
// peft/utils/transformers_weight_conversion.py).
bool IsTakenForExperts(const std::string& module, const ModelConfig& config);

}  // namespace cohort::policy
