#include "policy/gguf/architecture.h"

#include <string>
#include <vector>

#include "base/nearest_name.h"
#include "policy/gguf/deepseek.h"

namespace cohort::policy {
namespace {

const char* MixtralOrNone(const GgufFile& file) {
  return file.Integer("llama.expert_count", 0) == 0 ? nullptr : "mixtral";
}

// OLMo 3 is OLMo 2 with windows.
const char* Olmo3OrNone(const GgufFile& file) {
  return file.Integer("olmo2.attention.sliding_window", 0) == 0 ? nullptr : "olmo3";
}

// Of llama.cpp's src/models/*.cpp and conversion/*.py.
constexpr GgufArchitecture kArchitectures[] = {
    {.name = "llama",
     .family = "llama",
     .other_family = MixtralOrNone,
     .num_experts = "num_local_experts",
     .reorders_rows = true},
    {.name = "granite", .family = "granite", .reorders_rows = true},
    {.name = "smollm3",
     .family = "smollm3",
     .fields = R"({"no_rope_layer_interval": 4})",
     .reorders_rows = true},
    {.name = "qwen2", .family = "qwen2"},
    {.name = "qwen2moe",
     .family = "qwen2_moe",
     .fields = R"({"norm_topk_prob": false})",
     .bias = "qkv_bias",
     .num_experts = "num_experts",
     .expert_width = "moe_intermediate_size"},
    {.name = "qwen3", .family = "qwen3"},
    {.name = "qwen3moe",
     .family = "qwen3_moe",
     .fields = R"({"norm_topk_prob": true})",
     .num_experts = "num_experts",
     .expert_width = "moe_intermediate_size"},
    {.name = "qwen3next",
     .family = "qwen3_next",
     .fields = R"({"norm_topk_prob": true})",
     .num_experts = "num_experts",
     .expert_width = "moe_intermediate_size",
     .has_partial_rotary_factor = true,
     .has_linear_layers = true},
    {.name = "qwen35",
     .family = "qwen3_5_text",
     .has_partial_rotary_factor = true,
     .has_linear_layers = true},
    {.name = "qwen35moe",
     .family = "qwen3_5_moe_text",
     .num_experts = "num_experts",
     .expert_width = "moe_intermediate_size",
     .has_partial_rotary_factor = true,
     .has_linear_layers = true},
    {.name = "olmo2",
     .family = "olmo2",
     .other_family = Olmo3OrNone,
     .has_windowed_base = true,
     .full_every = 4},
    {.name = "olmoe",
     .family = "olmoe",
     .fields = R"({"norm_topk_prob": false})",
     .num_experts = "num_experts"},
    {.name = "gemma2",
     .family = "gemma2",
     .scales_by_query = true,
     .wide_scale_layers = 46,
     .full_every = 2},
    {.name = "gemma3",
     .family = "gemma3_text",
     .has_windowed_base = true,
     .scales_by_query = true,
     .wide_scale_layers = 62,
     .full_every = 6},
    {.name = "phi3", .family = "phi3", .has_partial_rotary_factor = true},
    {.name = "gpt-oss",
     .family = "gpt_oss",
     .bias = "attention_bias",
     .num_experts = "num_local_experts",
     .expert_width = "intermediate_size",
     .full_every = 2},
    {.name = "seed_oss",
     .family = "seed_oss",
     .bias = "attention_bias",
     .output_bias = "attention_out_bias"},
    {.name = "glm4moe",
     .family = "glm4_moe",
     .bias = "attention_bias",
     .qk_norm = "use_qk_norm",
     .has_partial_rotary_factor = true,
     .has_deepseek_experts = true},
    {.name = "deepseek2",
     .family = "deepseek_v2",
     .other_family = GgufDeepSeekV3OrNone,
     .has_latent_attention = true,
     .has_deepseek_experts = true},
    {.name = "deepseek32",
     .family = "deepseek_v32",
     .has_latent_attention = true,
     .has_deepseek_experts = true},
};

}  // namespace

const char* GgufArchitecture::FamilyOf(const GgufFile& file) const {
  const char* other = other_family == nullptr ? nullptr : other_family(file);
  return other == nullptr ? family : other;
}

const GgufArchitecture& FindGgufArchitecture(const GgufFile& file) {
  const std::string name = file.String("general.architecture");
  std::vector<std::string> names;
  for (const GgufArchitecture& architecture : kArchitectures) {
    if (name == architecture.name) return architecture;
    names.push_back(architecture.name);
  }
  file.Refuse("architecture '" + name + "' is not supported",
              "supported: " + base::CommaSeparated(names) +
                  " (of llama Mixtral too); of others use the Hugging Face folder");
}

}  // namespace cohort::policy
