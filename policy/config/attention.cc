#include "policy/config/attention.h"

#include <algorithm>
#include <cmath>

#include "base/json_lines.h"
#include "policy/config/linear_attention.h"
#include "policy/config/scales.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

int64_t EvenHeadDim(const ConfigFields& fields, const char* key, int64_t value) {
  if (value % 2 != 0 || value == 0) {
    fields.Refuse(key, std::to_string(value), "a positive even number");
  }
  return value;
}

// What num_key_value_heads and head_dim are where config.json does not state them.
struct AbsentHeads {
  int64_t kv_heads = 0;      // 0: config.json must state it
  bool null_is_all = false;  // null means one for each query head
  int64_t head_dim = 0;      // 0: hidden_size / num_attention_heads
};

// The heads of grouped-query attention.
void ReadHeads(const ConfigFields& fields, const AbsentHeads& absent, ModelConfig* config) {
  AttentionConfig& attention = config->attention;
  const int64_t heads = attention.num_heads;
  const int64_t absent_kv =
      absent.null_is_all && fields.IsNull("num_key_value_heads") ? heads : absent.kv_heads;
  attention.num_kv_heads = absent_kv > 0 ? fields.IntOr("num_key_value_heads", 1, heads, absent_kv)
                                         : fields.Int("num_key_value_heads", 1, heads);
  if (heads % attention.num_kv_heads != 0) {
    fields.Refuse("num_key_value_heads", std::to_string(attention.num_kv_heads),
                  "a divisor of num_attention_heads, " + std::to_string(heads));
  }
  const bool is_quotient = absent.head_dim == 0 || fields.IsNull("head_dim");
  if (!fields.Has("head_dim") && is_quotient && config->width % heads != 0) {
    fields.Refuse("num_attention_heads", std::to_string(heads),
                  "a divisor of hidden_size, " + std::to_string(config->width) +
                      ", where there is no head_dim");
  }
  const int64_t head_dim = is_quotient ? config->width / heads : absent.head_dim;
  attention.head_dim =
      EvenHeadDim(fields, "head_dim", fields.IntOr("head_dim", 2, kMaxHeadDim, head_dim));
  for (const char* key : {"q_lora_rank", "kv_lora_rank"}) fields.OnlyAbsent(key);
  for (const char* key : {"rope_interleaved", "rope_interleave"}) fields.Only(key, false, false);
}

// One field for the biases of all four projections.
void ReadBias(const ConfigFields& fields, bool absent, AttentionConfig* attention) {
  attention->qkv_bias = attention->output_bias = fields.BoolOr("attention_bias", absent);
}

// Rounded down, as transformers does.
void ReadPartlyRotated(const ConfigFields& fields, ModelConfig* config) {
  const double factor = config->rope.partial_rotary_factor;
  if (factor == 1) return;
  AttentionConfig& attention = config->attention;
  attention.partly_rotated = static_cast<int64_t>(static_cast<double>(attention.head_dim) * factor);
  if (attention.partly_rotated < 2 || attention.partly_rotated % 2 != 0) {
    fields.Refuse("partial_rotary_factor", base::DumpJson(json(factor)),
                  "a part of head_dim, " + std::to_string(attention.head_dim) +
                      ", that is a positive even number");
  }
}

void ReadLatentAttention(const ConfigFields& fields, ModelConfig* config) {
  AttentionConfig& attention = config->attention;
  attention.kind = AttentionKind::kLatent;
  const int64_t heads = attention.num_heads;
  attention.num_kv_heads = fields.IntOr("num_key_value_heads", 1, kMaxHeads, heads);
  if (attention.num_kv_heads != heads) {
    fields.Refuse("num_key_value_heads", std::to_string(attention.num_kv_heads),
                  "num_attention_heads, " + std::to_string(heads) + ", under latent attention");
  }
  // null means none; an absent field would mean the class's 1536.
  attention.q_lora_rank =
      fields.IsNull("q_lora_rank") ? 0 : fields.Int("q_lora_rank", 1, kMaxWidth);
  attention.kv_lora_rank = fields.Int("kv_lora_rank", 1, kMaxWidth);
  attention.qk_nope_head_dim = fields.Int("qk_nope_head_dim", 1, kMaxHeadDim);
  attention.qk_rope_head_dim =
      EvenHeadDim(fields, "qk_rope_head_dim", fields.Int("qk_rope_head_dim", 2, kMaxHeadDim));
  attention.v_head_dim = fields.Int("v_head_dim", 1, kMaxHeadDim);
  fields.Only("attention_bias", false, false);
}

void ReadGemmaHeads(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {.kv_heads = 4, .head_dim = 256}, config);
  AttentionConfig& attention = config->attention;
  ReadBias(fields, false, &attention);
  attention.scale =
      1 / std::sqrt(static_cast<double>(fields.IntOr("query_pre_attn_scalar", 1, kMaxSize, 256)));
}

// A 0 in no_rope_layers is a layer without rotary positions.
std::vector<int64_t> ReadUnrotatedLayers(const ConfigFields& fields, int64_t num_layers) {
  std::vector<int64_t> out;
  if (!fields.Has("no_rope_layers")) {
    const int64_t every = fields.IntOr("no_rope_layer_interval", 1, kMaxSize, 4);
    for (int64_t i = every - 1; i < num_layers; i += every) out.push_back(i);
    return out;
  }
  const json& list = fields.At("no_rope_layers");
  const std::string expected =
      "a list of 0 and 1 for each of num_hidden_layers, " + std::to_string(num_layers);
  if (!list.is_array() || static_cast<int64_t>(list.size()) != num_layers) {
    fields.Refuse(
        "no_rope_layers",
        list.is_array() ? "of " + std::to_string(list.size()) + " layers" : base::DumpJson(list),
        expected);
  }
  for (int64_t i = 0; i < num_layers; ++i) {
    const json& rotates = list[static_cast<size_t>(i)];
    if (rotates == 0) out.push_back(i);
    if (rotates != 0 && rotates != 1) {
      fields.Refuse("no_rope_layers", "partly " + base::DumpJson(rotates), expected);
    }
  }
  return out;
}

}  // namespace

void ReadLlamaAttention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {.kv_heads = config->attention.num_heads}, config);
  ReadBias(fields, false, &config->attention);
}

void ReadQwen2Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {}, config);
  config->attention.qkv_bias = true;
}

void ReadQwen2MoeAttention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {.kv_heads = 16, .null_is_all = true}, config);
  config->attention.qkv_bias = fields.BoolOr("qkv_bias", true);
}

void ReadQwen3Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {.head_dim = config->family == "qwen3" ? 128 : 0}, config);
  config->attention.qk_norm = QkNorm::kHead;
  ReadBias(fields, false, &config->attention);
}

void ReadMistralAttention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {.kv_heads = 8, .null_is_all = true}, config);
  fields.Only("attention_bias", false, false);
}

void ReadMixtralAttention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {}, config);
  fields.Only("attention_bias", false, false);
}

void ReadGlm4Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {}, config);
  config->attention.qkv_bias = fields.BoolOr("attention_bias", false);
  config->attention.qk_norm = fields.BoolOr("use_qk_norm", false) ? QkNorm::kHead : QkNorm::kNone;
  ReadPartlyRotated(fields, config);
}

// The class always has the output's gate, whatever attn_output_gate says.
void ReadQwen3NextAttention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {.kv_heads = config->family == "qwen3_5_text" ? 4 : 2, .head_dim = 256},
            config);
  ReadPartlyRotated(fields, config);
  AttentionConfig& attention = config->attention;
  attention.qk_norm = QkNorm::kHead;
  attention.gated_output = true;
  ReadBias(fields, false, &attention);
  fields.Only("attn_output_gate", true, true);
  ReadLinearAttention(fields, config);
}

void ReadQwen35Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadQwen3NextAttention(fields, config);
  config->linear.separate_projections = true;
}

void ReadOlmoAttention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {.kv_heads = config->attention.num_heads}, config);
  config->attention.qk_norm = QkNorm::kProjection;
  ReadBias(fields, false, &config->attention);
}

void ReadGemma2Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadGemmaHeads(fields, config);
  config->attention.soft_cap = ReadSoftCap(fields, "attn_logit_softcapping", 50.0);
}

void ReadGemma3Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadGemmaHeads(fields, config);
  config->attention.qk_norm = QkNorm::kHead;
}

void ReadPhi3Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {.kv_heads = config->attention.num_heads}, config);
  ReadPartlyRotated(fields, config);
  const RopeConfig& rope = config->rope;
  if (rope.kind != RopeKind::kLongRope) return;
  const std::string prefix = fields.Has("rope_scaling") ? "rope_scaling." : "rope_parameters.";
  const auto refuse = [&](const char* key, size_t found, const std::string& expected) {
    fields.Refuse(prefix + key, "of " + std::to_string(found) + " numbers", expected);
  };
  const auto pairs = static_cast<size_t>(config->attention.rotary_dim() / 2);
  const size_t shorts = rope.short_factors.size(), longs = rope.long_factors.size();
  if (shorts != pairs) {
    refuse("short_factor", shorts, "one for each pair that rotates, " + std::to_string(pairs));
  }
  if (longs != shorts) {
    refuse("long_factor", longs, "as many as short_factor has, " + std::to_string(shorts));
  }
}

void ReadSmolLm3Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {.kv_heads = 4, .null_is_all = true}, config);
  ReadBias(fields, false, &config->attention);
  config->attention.unrotated_layers = ReadUnrotatedLayers(fields, config->num_layers);
}

void ReadSeedOssAttention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, {.kv_heads = 8, .null_is_all = true, .head_dim = 128}, config);
  config->attention.qkv_bias = fields.BoolOr("attention_bias", true);
  config->attention.output_bias = fields.BoolOr("attention_out_bias", false);
}

void ReadGraniteAttention(const ConfigFields& fields, ModelConfig* config) {
  ReadLlamaAttention(fields, config);
  config->attention.scale = fields.PositiveOr("attention_multiplier", 1.0);
}

void ReadGptOssAttention(const ConfigFields& fields, ModelConfig* config) {
  // The class has a YaRN of its own where neither is there, and its versions differ over null.
  if (!fields.Has("rope_parameters") && !fields.Has("rope_scaling")) {
    fields.Refuse("rope_parameters", "missing",
                  "the scaling of its rotary positions, there or in rope_scaling");
  }
  ReadHeads(fields, {.kv_heads = 8, .null_is_all = true, .head_dim = 64}, config);
  ReadBias(fields, true, &config->attention);
  config->attention.has_sinks = true;
}

void ReadDeepSeekV2Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadLatentAttention(fields, config);
  config->rope.interleaved = true;
}

void ReadDeepSeekV3Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadLatentAttention(fields, config);
  config->rope.interleaved = fields.BoolOr("rope_interleave", true);
}

void ReadDeepSeekV32Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadDeepSeekV3Attention(fields, config);
  config->max_positions =
      std::min(config->max_positions, fields.IntOr("index_topk", 1, kMaxSize, 2048));
  config->family = "deepseek_v3";
}

void ReadDualChunks(const ConfigFields& fields, ModelConfig* config) {
  if (!fields.Has(kDualChunks)) return;
  const json& object = fields.At(kDualChunks);
  if (!object.is_object()) fields.Refuse(kDualChunks, base::DumpJson(object), "an object or null");
  const ConfigFields chunks(object, fields.file(), std::string(kDualChunks) + ".");
  config->max_positions = std::min(config->max_positions, chunks.Int("chunk_size", 1, kMaxSize));
}

json HeadsToJson(const ModelConfig& config) {
  json out;
  out["num_key_value_heads"] = config.attention.num_kv_heads;
  out["head_dim"] = config.attention.head_dim;
  return out;
}

json BiasedHeadsToJson(const ModelConfig& config) {
  json out = HeadsToJson(config);
  out["attention_bias"] = config.attention.qkv_bias;
  return out;
}

json Qwen2MoeAttentionToJson(const ModelConfig& config) {
  json out = HeadsToJson(config);
  out["qkv_bias"] = config.attention.qkv_bias;
  return out;
}

json Glm4AttentionToJson(const ModelConfig& config) {
  json out = BiasedHeadsToJson(config);
  out["use_qk_norm"] = config.attention.qk_norm == QkNorm::kHead;
  return out;
}

json Qwen3NextAttentionToJson(const ModelConfig& config) {
  json out = BiasedHeadsToJson(config);
  out["attn_output_gate"] = true;
  out.update(LinearAttentionToJson(config));
  return out;
}

json GemmaAttentionToJson(const ModelConfig& config) {
  json out = BiasedHeadsToJson(config);
  const double scale = config.attention.scale;
  out["query_pre_attn_scalar"] = std::llround(1 / (scale * scale));
  out["attn_logit_softcapping"] = SoftCapToJson(config.attention.soft_cap);
  return out;
}

json SmolLm3AttentionToJson(const ModelConfig& config) {
  json out = BiasedHeadsToJson(config);
  json rotates = json::array();
  for (int64_t i = 0; i < config.num_layers; ++i) {
    rotates.push_back(config.attention.Rotates(i) ? 1 : 0);
  }
  out["no_rope_layers"] = rotates;
  return out;
}

json SeedOssAttentionToJson(const ModelConfig& config) {
  json out = BiasedHeadsToJson(config);
  out["attention_out_bias"] = config.attention.output_bias;
  out["residual_dropout"] = 0.0;  // the class's default is 0.1
  return out;
}

json GraniteAttentionToJson(const ModelConfig& config) {
  json out = BiasedHeadsToJson(config);
  out["attention_multiplier"] = config.attention.scale;
  return out;
}

json LatentAttentionToJson(const ModelConfig& config) {
  json out;
  const AttentionConfig& attention = config.attention;
  out["num_key_value_heads"] = attention.num_heads;
  out["q_lora_rank"] = attention.q_lora_rank > 0 ? json(attention.q_lora_rank) : json();
  out["kv_lora_rank"] = attention.kv_lora_rank;
  out["qk_nope_head_dim"] = attention.qk_nope_head_dim;
  out["qk_rope_head_dim"] = attention.qk_rope_head_dim;
  out["v_head_dim"] = attention.v_head_dim;
  out["attention_bias"] = false;
  out["rope_interleave"] = config.rope.interleaved;
  return out;
}

}  // namespace cohort::policy
