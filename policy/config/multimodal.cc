#include "policy/config/multimodal.h"

#include "policy/config/fields.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

struct MultimodalFamily {
  const char* model_type;
  const char* text_model_type;
};
constexpr MultimodalFamily kFamilies[] = {{"qwen3_5", "qwen3_5_text"},
                                          {"qwen3_5_moe", "qwen3_5_moe_text"}};

}  // namespace

std::optional<json> TextConfigOf(const json& config, const std::string& file_name) {
  const ConfigFields fields(config, file_name);
  if (!fields.Has("model_type")) return std::nullopt;
  for (const MultimodalFamily& family : kFamilies) {
    if (fields.At("model_type") != family.model_type) continue;
    if (!fields.Has("text_config") || !fields.At("text_config").is_object()) {
      fields.Refuse("text_config", "missing",
                    std::string("an object: the config of the text model in a ") +
                        family.model_type + ", or model_type " + family.text_model_type);
    }
    json text = fields.At("text_config");
    text["model_type"] = family.text_model_type;
    for (const char* key : {"tie_word_embeddings", "quantization_config"}) {
      if (fields.Has(key)) text[key] = fields.At(key);
    }
    return text;
  }
  return std::nullopt;
}

}  // namespace cohort::policy
