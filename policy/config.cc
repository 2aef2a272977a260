#include "policy/config.h"

#include <cmath>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "base/nearest_name.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

// Bounds that keep every product of sizes inside int64 and every allocation thinkable.
constexpr int64_t kMaxSize = int64_t{1} << 24;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxWidth = int64_t{1} << 17;

// Typed access to one JSON object; every error names the file and the field.
class Fields {
 public:
  Fields(const json& object, std::string file, std::string prefix = "")
      : object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {}

  bool Has(const char* key) const { return object_.contains(key) && !object_.at(key).is_null(); }
  const json& At(const char* key) const { return object_.at(key); }

  [[noreturn]] void Refuse(const std::string& key, const std::string& found,
                           const std::string& expected) const {
    throw Error(ErrorCode::kUsage,
                file_ + ": " + prefix_ + key + " is " + found + ", expected " + expected);
  }

  int64_t Int(const char* key, int64_t low, int64_t high) const {
    const std::string range =
        "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
    if (!Has(key)) Refuse(key, "missing", range);
    const json& value = At(key);
    if (!value.is_number_integer()) Refuse(key, base::DumpJson(value), range);
    // A value above int64 wraps to a negative one in get<int64_t>: out of every range used here.
    const int64_t number = value.get<int64_t>();
    if (number < low || number > high) Refuse(key, base::DumpJson(value), range);
    return number;
  }
  int64_t IntOr(const char* key, int64_t low, int64_t high, int64_t fallback) const {
    return Has(key) ? Int(key, low, high) : fallback;
  }

  double PositiveOr(const char* key, double fallback) const {
    if (!Has(key)) return fallback;
    const json& value = At(key);
    const double number = value.is_number() ? value.get<double>() : -1.0;
    if (!(number > 0) || !std::isfinite(number)) {
      Refuse(key, base::DumpJson(value), "a positive number");
    }
    return number;
  }

  bool BoolOr(const char* key, bool fallback) const {
    if (!Has(key)) return fallback;
    if (!At(key).is_boolean()) Refuse(key, base::DumpJson(At(key)), "true or false");
    return At(key).get<bool>();
  }

  // For a field of which only one value is implemented; absent means `absent`.
  void Only(const char* key, const json& supported, const json& absent) const {
    const json& found = Has(key) ? At(key) : absent;
    if (found == supported) return;
    throw Error(ErrorCode::kUsage,
                file_ + ": " + prefix_ + key + " is " + base::DumpJson(found) +
                    (Has(key) ? "" : " (by default)") + ", and only " + base::DumpJson(supported) +
                    " is supported",
                "this field changes the mathematics of the model, so it is not ignored");
  }

  const std::string& file() const { return file_; }

 private:
  const json& object_;
  std::string file_;
  std::string prefix_;
};

// rope_theta and rope_scaling at the top (transformers 4), or rope_parameters (transformers 5).
double ReadRopeBase(const Fields& fields, const json& absent_rotary_factor) {
  double base = fields.PositiveOr("rope_theta", 0.0);
  json rotary_factor =
      fields.Has("partial_rotary_factor") ? fields.At("partial_rotary_factor") : json();
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!fields.Has(key)) continue;
    if (!fields.At(key).is_object()) {
      fields.Refuse(key, base::DumpJson(fields.At(key)), "an object or null");
    }
    const Fields rope(fields.At(key), fields.file(), std::string(key) + ".");
    rope.Only("rope_type", "default", "default");
    rope.Only("type", "default", "default");
    const double own = rope.PositiveOr("rope_theta", base);
    if (base > 0 && own != base) {
      rope.Refuse("rope_theta", std::to_string(own), "rope_theta, " + std::to_string(base));
    }
    base = own;
    if (rope.Has("partial_rotary_factor")) rotary_factor = rope.At("partial_rotary_factor");
  }
  const json found = {
      {"partial_rotary_factor", rotary_factor.is_null() ? absent_rotary_factor : rotary_factor}};
  Fields(found, fields.file()).Only("partial_rotary_factor", 1.0, 1.0);
  return base > 0 ? base : 10000.0;
}

void RefuseUnsupported(const Fields& fields) {
  fields.Only("hidden_act", "silu", "silu");
  for (const char* key :
       {"attention_bias", "mlp_bias", "use_qk_norm", "qk_layernorm", "rope_interleaved",
        "rope_interleave", "use_bidirectional_attention", "scale_embedding"}) {
    fields.Only(key, false, false);
  }
  for (const char* key : {"quantization_config", "attention_chunk_size", "attn_logit_softcapping",
                          "final_logit_softcapping", "no_rope_layers", "q_lora_rank",
                          "kv_lora_rank", "pruned_heads"}) {
    if (fields.Has(key) && !fields.At(key).empty()) fields.Only(key, nullptr, nullptr);
  }
  fields.Only("attention_dropout", 0.0, 0.0);
  for (const char* key :
       {"logit_scale", "logits_scaling", "embedding_multiplier", "residual_multiplier"}) {
    fields.Only(key, 1.0, 1.0);
  }
  if (fields.BoolOr("use_sliding_window", true) && fields.Has("sliding_window")) {
    fields.Only("sliding_window", nullptr, nullptr);
  }
  if (fields.Has("layer_types")) {
    for (const json& type : fields.At("layer_types")) {
      if (type != "full_attention") {
        fields.Refuse("layer_types", "partly " + base::DumpJson(type), "only \"full_attention\"");
      }
    }
  }
}

MoeConfig ReadMoe(const Fields& fields, int64_t num_layers) {
  fields.Only("n_group", 1, 1);
  fields.Only("topk_group", 1, 1);
  fields.Only("scoring_func", "sigmoid", "sigmoid");
  fields.Only("topk_method", "noaux_tc", "noaux_tc");
  fields.Only("moe_layer_freq", 1, 1);
  MoeConfig moe;
  // transformers 5 takes num_local_experts as another name of the same field.
  const char* experts = fields.Has("n_routed_experts") ? "n_routed_experts" : "num_local_experts";
  moe.num_experts =
      fields.Int(fields.Has(experts) ? experts : "n_routed_experts", 2, int64_t{1} << 12);
  moe.experts_per_token = fields.Int("num_experts_per_tok", 1, moe.num_experts);
  moe.num_shared_experts = fields.IntOr("n_shared_experts", 0, 64, 1);
  moe.expert_width = fields.Int("moe_intermediate_size", 1, kMaxWidth);
  moe.first_dense_layers = fields.IntOr("first_k_dense_replace", 0, num_layers, 1);
  moe.routed_scaling = fields.PositiveOr("routed_scaling_factor", 1.0);
  moe.normalize_weights = fields.BoolOr("norm_topk_prob", true);
  return moe;
}

std::vector<int64_t> ReadEosIds(const Fields& fields, int64_t vocab_size) {
  if (!fields.Has("eos_token_id")) return {};
  const json& value = fields.At("eos_token_id");
  const json ids = value.is_array() ? value : json::array({value});
  std::vector<int64_t> eos_ids;
  for (const json& id : ids) {
    const json one = {{"eos_token_id", id}};
    eos_ids.push_back(Fields(one, fields.file()).Int("eos_token_id", 0, vocab_size - 1));
  }
  return eos_ids;
}

void CheckFamily(const Fields& fields) {
  const std::vector<std::string> families = {"llama", "glm4_moe"};
  if (!fields.Has("model_type") || !fields.At("model_type").is_string()) {
    fields.Refuse("model_type", "missing", "\"llama\" or \"glm4_moe\"");
  }
  const std::string family = fields.At("model_type").get<std::string>();
  if (family == "llama" || family == "glm4_moe") return;
  throw Error(ErrorCode::kUsage,
              fields.file() + ": model_type '" + family + "' is not supported" +
                  base::DidYouMean(family, families),
              "supported: llama, glm4_moe");
}

}  // namespace

ModelConfig ParseConfig(const json& object, const std::string& file_name) {
  if (!object.is_object()) {
    throw Error(ErrorCode::kUsage, file_name + ": expected a JSON object");
  }
  const Fields fields(object, file_name);
  CheckFamily(fields);
  RefuseUnsupported(fields);
  ModelConfig config;
  config.family = object.at("model_type").get<std::string>();
  const bool has_moe = config.family == "glm4_moe";
  config.vocab_size = fields.Int("vocab_size", 1, kMaxSize);
  config.width = fields.Int("hidden_size", 1, kMaxWidth);
  config.num_layers = fields.Int("num_hidden_layers", 1, kMaxLayers);
  config.num_heads = fields.Int("num_attention_heads", 1, 4096);
  config.num_kv_heads = fields.IntOr("num_key_value_heads", 1, config.num_heads, config.num_heads);
  if (config.num_heads % config.num_kv_heads != 0) {
    fields.Refuse("num_key_value_heads", std::to_string(config.num_kv_heads),
                  "a divisor of num_attention_heads, " + std::to_string(config.num_heads));
  }
  config.head_dim = fields.IntOr("head_dim", 2, 4096, config.width / config.num_heads);
  if (config.head_dim % 2 != 0 || config.head_dim == 0) {
    fields.Refuse("head_dim", std::to_string(config.head_dim), "a positive even number");
  }
  config.ffn_width = fields.Int("intermediate_size", 1, kMaxSize);
  config.max_positions = fields.Int("max_position_embeddings", 1, kMaxSize);
  config.rope_base = ReadRopeBase(fields, has_moe ? 0.5 : 1.0);
  config.norm_eps = fields.PositiveOr("rms_norm_eps", has_moe ? 1e-5 : 1e-6);
  config.tie_embeddings = fields.BoolOr("tie_word_embeddings", false);
  config.bos_id = fields.IntOr("bos_token_id", 0, config.vocab_size - 1, -1);
  config.eos_ids = ReadEosIds(fields, config.vocab_size);
  if (has_moe) config.moe = ReadMoe(fields, config.num_layers);
  return config;
}

ModelConfig ReadConfig(const std::filesystem::path& config_json) {
  const std::string text = base::ReadFile(config_json);
  json object;
  try {
    object = json::parse(text);
  } catch (const json::exception& error) {
    throw Error(ErrorCode::kUsage, config_json.string() + ": not JSON: " + error.what());
  }
  return ParseConfig(object, config_json.string());
}

}  // namespace cohort::policy
