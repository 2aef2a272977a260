#include "policy/config/quantization.h"

#include "base/json_lines.h"

namespace cohort::policy {

using nlohmann::json;

void CheckQuantizationConfig(const ConfigFields& fields) {
  constexpr char kName[] = "quantization_config";
  if (!fields.Has(kName)) return;
  const json& object = fields.At(kName);
  if (!object.is_object()) fields.Refuse(kName, base::DumpJson(object), "an object");
  const ConfigFields quantization(object, fields.file(), std::string(kName) + ".");
  quantization.Only("quant_method", "fp8", nullptr);
  quantization.Only("fmt", "e4m3", "e4m3");
  quantization.Only("activation_scheme", "dynamic", "dynamic");
  quantization.Only("weight_block_size", {kFp8Block, kFp8Block}, nullptr);
  if (quantization.Has("scale_fmt") && quantization.At("scale_fmt") != "float") {
    quantization.Only("scale_fmt", "ue8m0", nullptr);
  }
}

json Fp8QuantizationConfig(const ModelConfig& config) {
  json kept = {"lm_head"};
  for (int64_t layer = 0; layer < config.num_layers + config.num_mtp_layers; ++layer) {
    const std::string name = "model.layers." + std::to_string(layer);
    if (config.IsMoeLayer(layer)) kept.push_back(name + ".mlp.gate");
    if (layer >= config.num_layers) kept.push_back(name + ".eh_proj");
  }
  return {{"quant_method", "fp8"},
          {"fmt", "e4m3"},
          {"activation_scheme", "dynamic"},
          {"weight_block_size", {kFp8Block, kFp8Block}},
          {"modules_to_not_convert", kept}};
}

}  // namespace cohort::policy
