#include "policy/config/attention.h"

#include "base/json_lines.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

int64_t EvenHeadDim(const ConfigFields& fields, const char* key, int64_t value) {
  if (value % 2 != 0 || value == 0) {
    fields.Refuse(key, std::to_string(value), "a positive even number");
  }
  return value;
}

// The heads of grouped-query attention; `absent_kv_heads` of 0 means that the field is required.
void ReadHeads(const ConfigFields& fields, int64_t absent_kv_heads, int64_t absent_head_dim,
               ModelConfig* config) {
  AttentionConfig& attention = config->attention;
  attention.num_kv_heads =
      absent_kv_heads > 0
          ? fields.IntOr("num_key_value_heads", 1, attention.num_heads, absent_kv_heads)
          : fields.Int("num_key_value_heads", 1, attention.num_heads);
  if (attention.num_heads % attention.num_kv_heads != 0) {
    fields.Refuse("num_key_value_heads", std::to_string(attention.num_kv_heads),
                  "a divisor of num_attention_heads, " + std::to_string(attention.num_heads));
  }
  attention.head_dim =
      EvenHeadDim(fields, "head_dim", fields.IntOr("head_dim", 2, kMaxHeadDim, absent_head_dim));
  for (const char* key : {"q_lora_rank", "kv_lora_rank"}) fields.OnlyAbsent(key);
  for (const char* key : {"rope_interleaved", "rope_interleave"}) fields.Only(key, false, false);
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

}  // namespace

void ReadLlamaAttention(const ConfigFields& fields, ModelConfig* config) {
  const int64_t heads = config->attention.num_heads;
  ReadHeads(fields, heads, config->width / heads, config);
  fields.Only("attention_bias", false, false);
}

void ReadQwen2Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, 0, config->width / config->attention.num_heads, config);
  config->attention.qkv_bias = true;
}

void ReadQwen3Attention(const ConfigFields& fields, ModelConfig* config) {
  const bool dense = config->family == "qwen3";
  ReadHeads(fields, 0, dense ? 128 : config->width / config->attention.num_heads, config);
  config->attention.qk_norm = true;
  fields.Only("attention_bias", false, false);
}

void ReadMistralAttention(const ConfigFields& fields, ModelConfig* config) {
  const int64_t heads = config->attention.num_heads;
  // null means one for each query head; an absent field is the class's 8.
  ReadHeads(fields, fields.IsNull("num_key_value_heads") ? heads : 8, config->width / heads,
            config);
  fields.Only("attention_bias", false, false);
}

void ReadMixtralAttention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, 0, config->width / config->attention.num_heads, config);
  fields.Only("attention_bias", false, false);
}

void ReadGlm4Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadHeads(fields, 0, config->width / config->attention.num_heads, config);
  config->attention.qkv_bias = fields.BoolOr("attention_bias", false);
  config->attention.qk_norm = fields.BoolOr("use_qk_norm", false);
  ReadPartlyRotated(fields, config);
}

void ReadDeepSeekV2Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadLatentAttention(fields, config);
  config->rope.interleaved = true;
}

void ReadDeepSeekV3Attention(const ConfigFields& fields, ModelConfig* config) {
  ReadLatentAttention(fields, config);
  config->rope.interleaved = fields.BoolOr("rope_interleave", true);
}

json HeadsToJson(const ModelConfig& config) {
  json out;
  out["num_key_value_heads"] = config.attention.num_kv_heads;
  out["head_dim"] = config.attention.head_dim;
  return out;
}

json UnbiasedHeadsToJson(const ModelConfig& config) {
  json out = HeadsToJson(config);
  out["attention_bias"] = false;
  return out;
}

json Glm4AttentionToJson(const ModelConfig& config) {
  json out = HeadsToJson(config);
  out["attention_bias"] = config.attention.qkv_bias;
  out["use_qk_norm"] = config.attention.qk_norm;
  // The class's default is 0.5; transformers 4 reads it here, 5 in rope_parameters.
  out["partial_rotary_factor"] = config.rope.partial_rotary_factor;
  out["rope_parameters"]["partial_rotary_factor"] = config.rope.partial_rotary_factor;
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
