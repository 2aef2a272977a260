#include "policy/config/family.h"

#include <vector>

#include "base/error.h"
#include "base/nearest_name.h"
#include "policy/config/attention.h"
#include "policy/config/moe.h"

namespace cohort::policy {
namespace {

constexpr SlidingWindows kUpperLayersOfQwen{
    .layers = WindowedLayers::kUpper, .absent = 4096, .is_switched = true};
constexpr ExpertNames kMixtralNames{
    .block = ".block_sparse_moe.", .gate = "w1", .up = "w3", .down = "w2"};

const ModelFamily kFamilies[] = {
    {.model_type = "llama",
     .architecture = "LlamaForCausalLM",
     .defaults = {.max_positions = 2048},
     .windows = {},
     .experts = {},
     .read_attention = ReadLlamaAttention,
     .attention_to_json = UnbiasedHeadsToJson,
     .read_moe = nullptr,
     .moe_to_json = nullptr},
    {.model_type = "mistral",
     .architecture = "MistralForCausalLM",
     .defaults = {.max_positions = 131072},
     .windows = {.layers = WindowedLayers::kAll, .absent = 4096},
     .experts = {},
     .read_attention = ReadMistralAttention,
     .attention_to_json = HeadsToJson,
     .read_moe = nullptr,
     .moe_to_json = nullptr},
    {.model_type = "qwen2",
     .architecture = "Qwen2ForCausalLM",
     .defaults = {},
     .windows = kUpperLayersOfQwen,
     .experts = {},
     .read_attention = ReadQwen2Attention,
     .attention_to_json = HeadsToJson,
     .read_moe = nullptr,
     .moe_to_json = nullptr},
    {.model_type = "qwen3",
     .architecture = "Qwen3ForCausalLM",
     .defaults = {},
     .windows = kUpperLayersOfQwen,
     .experts = {},
     .read_attention = ReadQwen3Attention,
     .attention_to_json = UnbiasedHeadsToJson,
     .read_moe = nullptr,
     .moe_to_json = nullptr},
    {.model_type = "qwen3_moe",
     .architecture = "Qwen3MoeForCausalLM",
     .defaults = {},
     .windows = {.layers = WindowedLayers::kAll, .absent = 4096, .is_switched = true},
     .experts = {},
     .read_attention = ReadQwen3Attention,
     .attention_to_json = UnbiasedHeadsToJson,
     .read_moe = ReadQwen3Moe,
     .moe_to_json = Qwen3MoeToJson},
    {.model_type = "mixtral",
     .architecture = "MixtralForCausalLM",
     .defaults = {.norm_eps = 1e-5, .rope = {.base = 1e6}},
     .windows = {.layers = WindowedLayers::kAll},
     .experts = kMixtralNames,
     .read_attention = ReadMixtralAttention,
     .attention_to_json = HeadsToJson,
     .read_moe = ReadMixtralMoe,
     .moe_to_json = MixtralMoeToJson},
    {.model_type = "glm4_moe",
     .architecture = "Glm4MoeForCausalLM",
     .defaults = {.norm_eps = 1e-5,
                  .rope = {.partial_rotary_factor = 0.5, .heeds_partial_rotary_factor = true}},
     .windows = {},
     .experts = {},
     .read_attention = ReadGlm4Attention,
     .attention_to_json = Glm4AttentionToJson,
     .read_moe = ReadGlm4Moe,
     .moe_to_json = DeepSeekV3MoeToJson},
    {.model_type = "deepseek_v2",
     .architecture = "DeepseekV2ForCausalLM",
     .defaults = {},
     .windows = {},
     .experts = {},
     .read_attention = ReadDeepSeekV2Attention,
     .attention_to_json = LatentAttentionToJson,
     .read_moe = ReadDeepSeekV2Moe,
     .moe_to_json = DeepSeekV2MoeToJson},
    {.model_type = "deepseek_v3",
     .architecture = "DeepseekV3ForCausalLM",
     .defaults = {},
     .windows = {},
     .experts = {},
     .read_attention = ReadDeepSeekV3Attention,
     .attention_to_json = LatentAttentionToJson,
     .read_moe = ReadDeepSeekV3Moe,
     .moe_to_json = DeepSeekV3MoeToJson},
};

}  // namespace

const ModelFamily& FindFamily(const std::string& model_type, const std::string& file_name) {
  std::vector<std::string> names;
  for (const ModelFamily& family : kFamilies) {
    if (model_type == family.model_type) return family;
    names.push_back(family.model_type);
  }
  throw Error(ErrorCode::kUsage,
              file_name + ": model_type '" + model_type + "' is not supported" +
                  base::DidYouMean(model_type, names),
              "supported: " + base::CommaSeparated(names));
}

}  // namespace cohort::policy
