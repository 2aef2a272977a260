#include "policy/config/family.h"

#include <algorithm>

#include "base/error.h"
#include "base/nearest_name.h"
#include "policy/config/attention.h"
#include "policy/config/moe.h"
#include "policy/config/relatives.h"
#include "policy/config/scales.h"

namespace cohort::policy {
namespace {

constexpr SlidingWindows kUpperLayersOfQwen{
    .layers = WindowedLayers::kUpper, .absent = 4096, .is_switched = true};
constexpr FolderNames kMixtralNames{
    .block = ".block_sparse_moe.", .gate = "w1", .up = "w3", .down = "w2"};
constexpr FolderNames kQwen2MoeNames{.shared = "shared_expert.", .peft_renames_experts = false};
constexpr FolderNames kQwen3NextNames{.shared = "shared_expert."};
constexpr FolderNames kGptOssNames{.router = "router.", .experts = ExpertStorage::kInterleaved};

constexpr FamilyTraits kOlmoTraits{.norm_placement = NormPlacement::kAfter};
constexpr FamilyTraits kGemmaTraits{.norm_placement = NormPlacement::kAround,
                                    .norm_adds_one = true,
                                    .gated_unit = GatedUnit::kGeGlu};

constexpr RopeDialect kQuarterWithSections{
    .partial_rotary_factor = 0.25, .heeds_partial_rotary_factor = true, .has_sections = true};

constexpr const char* kSoftCaps[] = {"attn_logit_softcapping", "final_logit_softcapping"};
// gemma3's class has a field for the other one too, and does not apply it.
constexpr const char* kLogitSoftCap[] = {"final_logit_softcapping"};
constexpr const char* kMultipliers[] = {"embedding_multiplier", "residual_multiplier",
                                        "logits_scaling", "attention_multiplier"};
constexpr const char* kUnrotated[] = {"no_rope_layers", "no_rope_layer_interval"};
constexpr const char* kOutputBias[] = {"attention_out_bias"};
constexpr const char* kOutputGate[] = {"attn_output_gate"};
constexpr const char* kIndexer[] = {"index_topk", "index_head_dim", "index_n_heads"};

const ModelFamily kFamilies[] = {
    {.model_type = "llama",
     .architecture = "LlamaForCausalLM",
     .defaults = {.max_positions = 2048},
     .read_attention = ReadLlamaAttention,
     .attention_to_json = BiasedHeadsToJson},
    {.model_type = "mistral",
     .architecture = "MistralForCausalLM",
     .defaults = {.max_positions = 131072},
     .windows = {.layers = WindowedLayers::kAll, .absent = 4096},
     .read_attention = ReadMistralAttention,
     .attention_to_json = HeadsToJson},
    {.model_type = "qwen2",
     .architecture = "Qwen2ForCausalLM",
     .windows = kUpperLayersOfQwen,
     .read_attention = ReadQwen2Attention,
     .attention_to_json = HeadsToJson},
    {.model_type = "qwen3",
     .architecture = "Qwen3ForCausalLM",
     .windows = kUpperLayersOfQwen,
     .read_attention = ReadQwen3Attention,
     .attention_to_json = BiasedHeadsToJson},
    {.model_type = "smollm3",
     .architecture = "SmolLM3ForCausalLM",
     .defaults = {.rope = {.base = 2e6}, .max_positions = 32768, .tie_embeddings = true},
     .windows = {.layers = WindowedLayers::kUnrotated, .is_switched = true},
     .heeds = kUnrotated,
     .read_attention = ReadSmolLm3Attention,
     .attention_to_json = SmolLm3AttentionToJson},
    {.model_type = "seed_oss",
     .architecture = "SeedOssForCausalLM",
     .defaults = {.max_positions = 524288},
     .heeds = kOutputBias,
     .read_attention = ReadSeedOssAttention,
     .attention_to_json = SeedOssAttentionToJson},
    {.model_type = "granite",
     .architecture = "GraniteForCausalLM",
     .defaults = {.max_positions = 2048},
     .heeds = kMultipliers,
     .read_attention = ReadGraniteAttention,
     .attention_to_json = GraniteAttentionToJson,
     .read_scales = ReadGraniteScales,
     .scales_to_json = GraniteScalesToJson},
    {.model_type = "phi3",
     .architecture = "Phi3ForCausalLM",
     .defaults = {.norm_eps = 1e-5,
                  .rope = {.original_max_positions = 4096,
                           .heeds_partial_rotary_factor = true,
                           .has_long_rope = true},
                  .max_positions = 4096},
     .traits = {.fused_projections = true},
     .windows = {.layers = WindowedLayers::kAll},
     .read_attention = ReadPhi3Attention,
     .attention_to_json = HeadsToJson},
    {.model_type = "olmo2",
     .architecture = "Olmo2ForCausalLM",
     .defaults = {.norm_eps = 1e-5, .max_positions = 2048},
     .traits = kOlmoTraits,
     .read_attention = ReadOlmoAttention,
     .attention_to_json = BiasedHeadsToJson},
    {.model_type = "olmo3",
     .architecture = "Olmo3ForCausalLM",
     .defaults = {.norm_eps = 1e-5,
                  .rope = {.base = 500000.0, .by_layer_type = true},
                  .max_positions = 2048},
     .traits = kOlmoTraits,
     .windows = {.layers = WindowedLayers::kAllBut, .absent = 4096, .full_every = 4},
     .read_attention = ReadOlmoAttention,
     .attention_to_json = BiasedHeadsToJson},
    {.model_type = "gemma2",
     .architecture = "Gemma2ForCausalLM",
     .defaults = {.max_positions = 8192, .tie_embeddings = true},
     .traits = kGemmaTraits,
     .windows = {.layers = WindowedLayers::kAllBut, .absent = 4096, .full_every = 2},
     .heeds = kSoftCaps,
     .read_attention = ReadGemma2Attention,
     .attention_to_json = GemmaAttentionToJson,
     .read_scales = ReadGemma2Scales,
     .scales_to_json = GemmaScalesToJson},
    {.model_type = "gemma3_text",
     .architecture = "Gemma3ForCausalLM",
     .defaults = {.rope = {.base = 1e6, .by_layer_type = true, .windowed_base = 10000.0},
                  .max_positions = 131072,
                  .tie_embeddings = true},
     .traits = kGemmaTraits,
     .windows = {.layers = WindowedLayers::kAllBut, .absent = 4096, .full_every = 6},
     .heeds = kLogitSoftCap,
     .read_attention = ReadGemma3Attention,
     .attention_to_json = GemmaAttentionToJson,
     .read_scales = ReadGemma3Scales,
     .scales_to_json = GemmaScalesToJson},
    {.model_type = "qwen3_5_text",
     .architecture = "Qwen3_5ForCausalLM",
     .defaults = {.rope = kQuarterWithSections, .max_positions = 32768},
     .traits = {.norm_adds_one = true},
     .heeds = kOutputGate,
     .read_attention = ReadQwen35Attention,
     .attention_to_json = Qwen3NextAttentionToJson},
    {.model_type = "qwen3_5_moe_text",
     .architecture = "Qwen3_5MoeForCausalLM",
     .defaults = {.rope = kQuarterWithSections, .max_positions = 32768, .ffn_width = 512},
     .traits = {.norm_adds_one = true},
     .names = kQwen2MoeNames,
     .heeds = kOutputGate,
     .read_attention = ReadQwen35Attention,
     .attention_to_json = Qwen3NextAttentionToJson,
     .read_moe = ReadQwen35Moe,
     .moe_to_json = Qwen2MoeToJson},
    {.model_type = "qwen3_next",
     .architecture = "Qwen3NextForCausalLM",
     .defaults = {.rope = {.partial_rotary_factor = 0.25, .heeds_partial_rotary_factor = true},
                  .max_positions = 32768,
                  .ffn_width = 5632},
     .traits = {.norm_adds_one = true},
     .names = kQwen3NextNames,
     .heeds = kOutputGate,
     .read_attention = ReadQwen3NextAttention,
     .attention_to_json = Qwen3NextAttentionToJson,
     .read_moe = ReadQwen3NextMoe,
     .moe_to_json = Qwen2MoeToJson},
    {.model_type = "qwen3_moe",
     .architecture = "Qwen3MoeForCausalLM",
     .windows = {.layers = WindowedLayers::kAll, .absent = 4096, .is_switched = true},
     .read_attention = ReadQwen3Attention,
     .attention_to_json = BiasedHeadsToJson,
     .read_moe = ReadQwen3Moe,
     .moe_to_json = Qwen3MoeToJson},
    {.model_type = "qwen2_moe",
     .architecture = "Qwen2MoeForCausalLM",
     .defaults = {.max_positions = 32768},
     .windows = {.layers = WindowedLayers::kListed, .absent = 4096, .is_switched = true},
     .names = kQwen2MoeNames,
     .read_attention = ReadQwen2MoeAttention,
     .attention_to_json = Qwen2MoeAttentionToJson,
     .read_moe = ReadQwen2Moe,
     .moe_to_json = Qwen2MoeToJson},
    {.model_type = "olmoe",
     .architecture = "OlmoeForCausalLM",
     .defaults = {.norm_eps = 1e-5, .max_positions = 4096},
     .read_attention = ReadOlmoAttention,
     .attention_to_json = BiasedHeadsToJson,
     .read_moe = ReadOlmoeMoe,
     .moe_to_json = OlmoeMoeToJson},
    {.model_type = "gpt_oss",
     .architecture = "GptOssForCausalLM",
     .defaults = {.norm_eps = 1e-5, .rope = {.base = 150000.0}, .max_positions = 131072},
     .traits = {.gated_unit = GatedUnit::kClampedSwiGlu},
     .windows = {.layers = WindowedLayers::kAllBut, .absent = 128, .full_every = 2},
     .names = kGptOssNames,
     .read_attention = ReadGptOssAttention,
     .attention_to_json = BiasedHeadsToJson,
     .read_moe = ReadGptOssMoe,
     .moe_to_json = GptOssMoeToJson},
    {.model_type = "mixtral",
     .architecture = "MixtralForCausalLM",
     .defaults = {.norm_eps = 1e-5, .rope = {.base = 1e6}},
     .windows = {.layers = WindowedLayers::kAll},
     .names = kMixtralNames,
     .read_attention = ReadMixtralAttention,
     .attention_to_json = HeadsToJson,
     .read_moe = ReadMixtralMoe,
     .moe_to_json = MixtralMoeToJson},
    {.model_type = "glm4_moe",
     .architecture = "Glm4MoeForCausalLM",
     .defaults = {.norm_eps = 1e-5,
                  .rope = {.partial_rotary_factor = 0.5, .heeds_partial_rotary_factor = true}},
     .read_attention = ReadGlm4Attention,
     .attention_to_json = Glm4AttentionToJson,
     .read_moe = ReadGlm4Moe,
     .moe_to_json = DeepSeekV3MoeToJson},
    {.model_type = "deepseek_v2",
     .architecture = "DeepseekV2ForCausalLM",
     .read_attention = ReadDeepSeekV2Attention,
     .attention_to_json = LatentAttentionToJson,
     .read_moe = ReadDeepSeekV2Moe,
     .moe_to_json = DeepSeekV2MoeToJson},
    {.model_type = "deepseek_v3",
     .architecture = "DeepseekV3ForCausalLM",
     .read_attention = ReadDeepSeekV3Attention,
     .attention_to_json = LatentAttentionToJson,
     .read_moe = ReadDeepSeekV3Moe,
     .moe_to_json = DeepSeekV3MoeToJson},
    {.model_type = "deepseek_v32",
     .architecture = "DeepseekV32ForCausalLM",
     .heeds = kIndexer,
     .read_attention = ReadDeepSeekV32Attention,
     .attention_to_json = LatentAttentionToJson,
     .read_moe = ReadDeepSeekV3Moe,
     .moe_to_json = DeepSeekV3MoeToJson},
};

}  // namespace

std::vector<std::string> FamilyNames() {
  std::vector<std::string> names;
  for (const ModelFamily& family : kFamilies) names.push_back(family.model_type);
  return names;
}

const ModelFamily& FindFamily(const std::string& model_type, const std::string& file_name,
                              const std::string& text_model_type) {
  for (const ModelFamily& family : kFamilies) {
    if (model_type == family.model_type) return family;
  }
  const std::vector<std::string> names = FamilyNames();
  std::string nearest;
  if (const Relative* relative = FindRelative(model_type)) {
    nearest = std::string("; nearest in its mathematics is ") + relative->nearest + ", but " +
              relative->difference;
  } else if (std::count(names.begin(), names.end(), text_model_type) > 0) {
    nearest = "; its text_config is of the family '" + text_model_type +
              "', and a folder of the text model alone would be read";
  }
  // Another spelling of a name is meant as that name, however near it is to others.
  for (const std::string& name : names) {
    if (LettersOf(name) == LettersOf(model_type)) nearest = "; did you mean '" + name + "'?";
  }
  throw Error(ErrorCode::kUsage,
              file_name + ": model_type '" + model_type + "' is not supported" + nearest,
              "supported: " + base::CommaSeparated(names));
}

}  // namespace cohort::policy
