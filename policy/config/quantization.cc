#include "policy/config/quantization.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_lines.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

// Which modules are in blocks is seen by their tensors, and their shapes tell the size of a block.
void CheckMxfp4(const ConfigFields& quantization) {
  constexpr char kKept[] = "modules_to_not_convert";
  quantization.Only("quant_method", "mxfp4", nullptr);
  if (!quantization.Has(kKept)) return;
  const json& kept = quantization.At(kKept);
  const bool are_names =
      kept.is_array() &&
      std::all_of(kept.begin(), kept.end(), [](const json& name) { return name.is_string(); });
  if (!are_names) quantization.Refuse(kKept, base::DumpJson(kept), "a list of module names");
}

}  // namespace

void CheckQuantizationConfig(const ConfigFields& fields, const ModelFamily& family) {
  constexpr char kName[] = "quantization_config";
  if (!fields.Has(kName)) return;
  const json& object = fields.At(kName);
  if (!object.is_object()) fields.Refuse(kName, base::DumpJson(object), "an object");
  const ConfigFields quantization(object, fields.file(), std::string(kName) + ".");
  if (family.names.experts == ExpertStorage::kInterleaved) return CheckMxfp4(quantization);
  quantization.Only("quant_method", "fp8", nullptr);
  quantization.Only("fmt", "e4m3", "e4m3");
  quantization.Only("activation_scheme", "dynamic", "dynamic");
  quantization.Only("weight_block_size", {kFp8Block, kFp8Block}, nullptr);
  if (quantization.Has("scale_fmt") && quantization.At("scale_fmt") != "float") {
    quantization.Only("scale_fmt", "ue8m0", nullptr);
  }
}

bool HasFp8Form(const ModelConfig& config) {
  return FindFamily(config.family, "the model's config").names.experts == ExpertStorage::kOneByOne;
}

void CheckFp8Form(const ModelConfig& config) {
  if (HasFp8Form(config)) return;
  throw Error(ErrorCode::kUsage,
              "the experts of the family '" + config.family + "' have no form in FP8",
              "write the folder in bfloat16");
}

json Fp8QuantizationConfig(const ModelConfig& config) {
  json kept = {"lm_head"};
  for (int64_t layer = 0; layer < config.num_layers + config.num_mtp_layers; ++layer) {
    const std::string name = "model.layers." + std::to_string(layer);
    if (config.IsMoeLayer(layer)) {
      kept.push_back(name + ".mlp.gate");
      if (config.moe.shared_gate) kept.push_back(name + ".mlp.shared_expert_gate");
    }
    if (layer >= config.num_layers) kept.push_back(name + ".eh_proj");
    if (!config.linear.Has(layer)) continue;
    for (const char* part : {"conv1d", "in_proj_ba", "in_proj_b", "in_proj_a"}) {
      kept.push_back(name + ".linear_attn." + part);
    }
  }
  return {{"quant_method", "fp8"},
          {"fmt", "e4m3"},
          {"activation_scheme", "dynamic"},
          {"weight_block_size", {kFp8Block, kFp8Block}},
          {"modules_to_not_convert", kept}};
}

}  // namespace cohort::policy
