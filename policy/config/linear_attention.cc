#include "policy/config/linear_attention.h"

#include <algorithm>

#include "policy/config/layer_types.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

std::vector<int64_t> ReadLinearLayers(const ConfigFields& fields, int64_t num_layers) {
  const bool listed = fields.Has("layer_types");
  const std::vector<int64_t> full =
      listed ? ReadFullLayers(fields, num_layers, "linear_attention") : std::vector<int64_t>();
  const int64_t interval = listed ? 0 : fields.IntOr("full_attention_interval", 1, kMaxLayers, 4);
  std::vector<int64_t> linear;
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    const bool is_full =
        listed ? std::binary_search(full.begin(), full.end(), layer) : (layer + 1) % interval == 0;
    if (!is_full) linear.push_back(layer);
  }
  return linear;
}

}  // namespace

void ReadLinearAttention(const ConfigFields& fields, ModelConfig* config) {
  LinearAttentionConfig& linear = config->linear;
  linear.layers = ReadLinearLayers(fields, config->num_layers);
  linear.num_key_heads = fields.IntOr("linear_num_key_heads", 1, kMaxHeads, 16);
  linear.num_value_heads = fields.IntOr("linear_num_value_heads", 1, kMaxHeads, 32);
  if (linear.num_value_heads % linear.num_key_heads != 0) {
    fields.Refuse("linear_num_value_heads", std::to_string(linear.num_value_heads),
                  "a multiple of linear_num_key_heads, " + std::to_string(linear.num_key_heads));
  }
  linear.key_dim = fields.IntOr("linear_key_head_dim", 1, kMaxHeadDim, 128);
  linear.value_dim = fields.IntOr("linear_value_head_dim", 1, kMaxHeadDim, 128);
  linear.conv_width = fields.IntOr("linear_conv_kernel_dim", 1, kMaxConvWidth, 4);
}

json LinearAttentionToJson(const ModelConfig& config) {
  const LinearAttentionConfig& linear = config.linear;
  json types = json::array();
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    types.push_back(linear.Has(layer) ? "linear_attention" : "full_attention");
  }
  return {{"layer_types", types},
          {"linear_num_key_heads", linear.num_key_heads},
          {"linear_num_value_heads", linear.num_value_heads},
          {"linear_key_head_dim", linear.key_dim},
          {"linear_value_head_dim", linear.value_dim},
          {"linear_conv_kernel_dim", linear.conv_width}};
}

}  // namespace cohort::policy
