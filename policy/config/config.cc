#include "policy/config/config.h"

#include <algorithm>

#include "base/bounded_json.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "policy/config/attention.h"
#include "policy/config/family.h"
#include "policy/config/fields.h"
#include "policy/config/multimodal.h"
#include "policy/config/quantization.h"
#include "policy/config/rope.h"
#include "policy/config/sliding_window.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

// The activation of the family's FFN, which each class reads from a field of its own.
void CheckActivation(const ConfigFields& fields, GatedUnit unit) {
  const bool gelu = unit == GatedUnit::kGeGlu;
  const json name = gelu ? "gelu_pytorch_tanh" : "silu";
  // Gemma's class ignores hidden_act, which the oldest configs have beside it.
  if (gelu) return fields.Only("hidden_activation", name, name);
  fields.Only("hidden_act", name, name);
}

// Fields that derived models add to a class that does not heed them.
void RefuseUnsupported(const ConfigFields& fields, const ModelFamily& family) {
  CheckActivation(fields, family.traits.gated_unit);
  const auto heeded = [&](std::string_view key) {
    return std::find(family.heeds.begin(), family.heeds.end(), key) != family.heeds.end();
  };
  for (const char* key : {"mlp_bias", "qk_layernorm", "use_bidirectional_attention",
                          "scale_embedding", "attn_output_gate", "attention_out_bias"}) {
    if (!heeded(key)) fields.Only(key, false, false);
  }
  for (const char* key :
       {"attention_chunk_size", "attn_logit_softcapping", "final_logit_softcapping",
        "no_rope_layers", "pruned_heads", "clip_qkv", "index_topk"}) {
    if (!heeded(key)) fields.OnlyAbsent(key);
  }
  for (const char* key : {"logit_scale", "logits_scaling", "embedding_multiplier",
                          "residual_multiplier", "attention_multiplier"}) {
    if (!heeded(key)) fields.Only(key, 1.0, 1.0);
  }
}

std::vector<int64_t> ReadEosIds(const ConfigFields& fields, int64_t vocab_size) {
  if (!fields.Has("eos_token_id")) return {};
  const json& value = fields.At("eos_token_id");
  const json ids = value.is_array() ? value : json::array({value});
  std::vector<int64_t> eos_ids;
  for (const json& id : ids) {
    const json one = {{"eos_token_id", id}};
    eos_ids.push_back(ConfigFields(one, fields.file()).Int("eos_token_id", 0, vocab_size - 1));
  }
  return eos_ids;
}

// One beyond the vocabulary is met in the wild and pads nothing here.
int64_t ReadPadId(const ConfigFields& fields, int64_t vocab_size) {
  if (!fields.Has("pad_token_id") || !fields.At("pad_token_id").is_number_integer()) return -1;
  const auto id = fields.At("pad_token_id").get<int64_t>();
  return id >= 0 && id < vocab_size ? id : -1;
}

// "" where there is none.
std::string ModelType(const json& config) {
  const json type = config.is_object() ? config.value("model_type", json()) : json();
  return type.is_string() ? type.get<std::string>() : "";
}

const ModelFamily& ReadFamily(const ConfigFields& fields) {
  const std::string model_type = ModelType(fields.object());
  if (model_type.empty()) fields.Refuse("model_type", "missing", "the name of a model family");
  return FindFamily(model_type, fields.file(),
                    ModelType(fields.object().value("text_config", json())));
}

}  // namespace

bool ModelConfig::IsMoeLayer(int64_t layer) const {
  return moe.num_experts > 0 && layer >= moe.first_dense_layers &&
         (layer + 1) % moe.sparse_step == 0 &&
         std::find(moe.dense_layers.begin(), moe.dense_layers.end(), layer) ==
             moe.dense_layers.end();
}

ModelConfig ParseConfig(const json& object, const std::string& file_name) {
  if (!object.is_object()) {
    throw Error(ErrorCode::kUsage, file_name + ": expected a JSON object");
  }
  if (const std::optional<json> text = TextConfigOf(object, file_name)) {
    return ParseConfig(*text, file_name + ", text_config");
  }
  const ConfigFields fields(object, file_name);
  const ModelFamily& family = ReadFamily(fields);
  RefuseUnsupported(fields, family);
  CheckQuantizationConfig(fields, family);
  ModelConfig config;
  config.family = family.model_type;
  config.vocab_size = fields.Int("vocab_size", 1, kMaxSize);
  config.width = fields.Int("hidden_size", 1, kMaxWidth);
  config.num_layers = fields.Int("num_hidden_layers", 1, kMaxLayers);
  config.ffn_width = family.defaults.ffn_width == 0 ? fields.Int("intermediate_size", 1, kMaxSize)
                                                    : fields.IntOr("intermediate_size", 1, kMaxSize,
                                                                   family.defaults.ffn_width);
  config.max_positions =
      family.defaults.max_positions == 0
          ? fields.Int("max_position_embeddings", 1, kMaxSize)
          : fields.IntOr("max_position_embeddings", 1, kMaxSize, family.defaults.max_positions);
  ReadDualChunks(fields, &config);
  config.norm_placement = family.traits.norm_placement;
  config.norm_adds_one = family.traits.norm_adds_one;
  config.gated_unit = family.traits.gated_unit;
  config.fused_projections = family.traits.fused_projections;
  config.norm_eps = fields.PositiveOr("rms_norm_eps", family.defaults.norm_eps);
  config.tie_embeddings = fields.BoolOr("tie_word_embeddings", family.defaults.tie_embeddings);
  config.bos_id = fields.IntOr("bos_token_id", 0, config.vocab_size - 1, -1);
  config.eos_ids = ReadEosIds(fields, config.vocab_size);
  config.pad_id = ReadPadId(fields, config.vocab_size);
  ReadRope(fields, family.defaults.rope, &config);
  config.attention.num_heads = fields.Int("num_attention_heads", 1, kMaxHeads);
  family.read_attention(fields, &config);
  ReadSlidingWindow(fields, family.windows, &config);
  if (family.read_moe != nullptr) family.read_moe(fields, &config);
  if (family.read_scales != nullptr) family.read_scales(fields, &config);
  return config;
}

ModelConfig ReadConfig(const std::filesystem::path& config_json) {
  return ParseConfig(base::ReadBoundedJsonObject(config_json), config_json.string());
}

json ConfigToJson(const ModelConfig& config, Dtype dtype) {
  const bool fp8 = dtype == Dtype::kFloat8E4m3;
  const std::string dtype_name(NameOf(fp8 ? Dtype::kBFloat16 : dtype));
  const ModelFamily& family = FindFamily(config.family, "the model's config");
  const bool gelu = config.gated_unit == GatedUnit::kGeGlu;
  json out = {{"architectures", {family.architecture}},
              {"model_type", family.model_type},
              {"vocab_size", config.vocab_size},
              {"hidden_size", config.width},
              {"num_hidden_layers", config.num_layers},
              {"num_attention_heads", config.attention.num_heads},
              {"intermediate_size", config.ffn_width},
              {"max_position_embeddings", config.max_positions},
              {"rms_norm_eps", config.norm_eps},
              {"tie_word_embeddings", config.tie_embeddings},
              {"attention_dropout", 0.0},
              {"initializer_range", 0.02},
              {"use_cache", true},
              {"torch_dtype", dtype_name},
              {"dtype", dtype_name}};
  out["bos_token_id"] = config.bos_id >= 0 ? json(config.bos_id) : json();
  out["eos_token_id"] = config.eos_ids.empty()       ? json()
                        : config.eos_ids.size() == 1 ? json(config.eos_ids[0])
                                                     : json(config.eos_ids);
  // Said where there is none too: some classes have one of their own.
  out["pad_token_id"] = config.pad_id >= 0 ? json(config.pad_id) : json();
  const auto add = [&](const json& fields) { out.update(fields, /*merge_objects=*/true); };
  out[gelu ? "hidden_activation" : "hidden_act"] = gelu ? "gelu_pytorch_tanh" : "silu";
  add(RopeToJson(config, family.defaults.rope));
  add(family.attention_to_json(config));
  add(SlidingWindowToJson(config, family.windows));
  if (family.moe_to_json != nullptr) add(family.moe_to_json(config));
  if (family.scales_to_json != nullptr) add(family.scales_to_json(config));
  if (fp8) out["quantization_config"] = Fp8QuantizationConfig(config);
  return out;
}

}  // namespace cohort::policy
