#include "policy/config/layer_types.h"

#include "base/json_lines.h"

namespace cohort::policy {

using nlohmann::json;

std::vector<int64_t> ReadFullLayers(const ConfigFields& fields, int64_t num_layers,
                                    const char* other) {
  const json& types = fields.At("layer_types");
  if (!types.is_array() || std::ssize(types) != num_layers) {
    fields.Refuse(
        "layer_types",
        types.is_array() ? "of " + std::to_string(types.size()) + " layers" : base::DumpJson(types),
        (types.is_array() ? "" : "a list with ") +
            ("one for each of num_hidden_layers, " + std::to_string(num_layers)));
  }
  const bool indexed = fields.Has("model_type") && fields.At("model_type") == "deepseek_v32";
  std::vector<int64_t> full;
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    const json& type = types[static_cast<size_t>(layer)];
    const bool sees_all = type == "indexed_attention" && indexed;
    if (type == "full_attention" || sees_all) {
      full.push_back(layer);
    } else if (type != other) {
      fields.Refuse("layer_types", "partly " + base::DumpJson(type),
                    std::string("\"full_attention\" or \"") + other + "\"");
    }
  }
  return full;
}

}  // namespace cohort::policy
