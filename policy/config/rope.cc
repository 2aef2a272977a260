#include "policy/config/rope.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/error.h"
#include "base/json_lines.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

constexpr std::string_view kKnownKeys[] = {"rope_type",
                                           "type",
                                           "rope_theta",
                                           "factor",
                                           "partial_rotary_factor",
                                           "original_max_position_embeddings",
                                           "low_freq_factor",
                                           "high_freq_factor",
                                           "beta_fast",
                                           "beta_slow",
                                           "mscale",
                                           "mscale_all_dim",
                                           "attention_factor",
                                           "truncate",
                                           "finetuned"};  // says where the weights come from

RopeKind ReadKind(const ConfigFields& rope) {
  const char* key = rope.NameOf("rope_type", "type");
  if (!rope.Has(key)) return RopeKind::kDefault;
  const json& kind = rope.At(key);
  if (rope.Has("type") && rope.At("type") != kind) {
    rope.Refuse("type", base::DumpJson(rope.At("type")), "rope_type, " + base::DumpJson(kind));
  }
  if (kind == "default") return RopeKind::kDefault;
  if (kind == "linear") return RopeKind::kLinear;
  if (kind == "dynamic") return RopeKind::kDynamic;
  if (kind == "llama3") return RopeKind::kLlama3;
  if (kind == "yarn") return RopeKind::kYarn;
  rope.Refuse(key, base::DumpJson(kind),
              "\"default\", \"linear\", \"dynamic\", \"llama3\" or \"yarn\"");
}

// 0 counts as absent, as it does in transformers.
double MscaleOrZero(const ConfigFields& rope, const char* key) {
  return !rope.Has(key) || rope.At(key) == 0 ? 0.0 : rope.Positive(key);
}

void ReadScaling(const ConfigFields& fields, const ConfigFields& rope, ModelConfig* config) {
  RopeConfig& out = config->rope;
  if (out.kind == RopeKind::kLinear || out.kind == RopeKind::kDynamic) {
    out.factor = rope.Positive("factor");
    return;
  }
  // Some configs state the original context beside the object; that one then counts.
  const char* original = "original_max_position_embeddings";
  out.original_max_positions =
      (fields.Has(original) ? fields : rope).IntOr(original, 1, kMaxSize, config->max_positions);
  if (out.kind == RopeKind::kLlama3) {
    out.factor = rope.Positive("factor");
    out.low_freq_factor = rope.Positive("low_freq_factor");
    out.high_freq_factor = rope.Positive("high_freq_factor");
    if (out.high_freq_factor <= out.low_freq_factor) {
      rope.Refuse("high_freq_factor", std::to_string(out.high_freq_factor),
                  "more than low_freq_factor, " + std::to_string(out.low_freq_factor));
    }
    return;
  }
  out.factor = rope.PositiveOr("factor", static_cast<double>(config->max_positions) /
                                             static_cast<double>(out.original_max_positions));
  out.beta_fast = rope.PositiveOr("beta_fast", 32.0);
  out.beta_slow = rope.PositiveOr("beta_slow", 1.0);
  out.truncate = rope.BoolOr("truncate", true);
  if (rope.Has("attention_factor")) out.attention_factor = rope.Positive("attention_factor");
  out.mscale = MscaleOrZero(rope, "mscale");
  out.mscale_all_dim = MscaleOrZero(rope, "mscale_all_dim");
}

// A key that is not known here would change the rotation: nested objects for each layer type, the
// factors of longrope, sections of multimodal positions.
void RefuseUnknownKeys(const ConfigFields& rope) {
  for (const auto& [key, value] : rope.object().items()) {
    if (std::find(std::begin(kKnownKeys), std::end(kKnownKeys), key) != std::end(kKnownKeys)) {
      continue;
    }
    rope.Refuse(key, base::DumpJson(value), "not to be there: it is not supported");
  }
}

}  // namespace

void ReadRope(const ConfigFields& fields, const AbsentRope& absent, ModelConfig* config) {
  RopeConfig& out = config->rope;
  double base = fields.PositiveOr("rope_theta", 0.0);
  json rotary_factor = absent.partial_rotary_factor;
  if (fields.Has("partial_rotary_factor")) rotary_factor = fields.At("partial_rotary_factor");
  bool seen = false;
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!fields.Has(key)) continue;
    if (!fields.At(key).is_object()) {
      fields.Refuse(key, base::DumpJson(fields.At(key)), "an object or null");
    }
    const ConfigFields rope(fields.At(key), fields.file(), std::string(key) + ".");
    RefuseUnknownKeys(rope);
    const double own = rope.PositiveOr("rope_theta", base);
    if (base > 0 && own != base) {
      rope.Refuse("rope_theta", std::to_string(own), "rope_theta, " + std::to_string(base));
    }
    base = own;
    if (rope.Has("partial_rotary_factor")) rotary_factor = rope.At("partial_rotary_factor");
    const RopeKind kind = ReadKind(rope);
    if (seen && kind != out.kind) {
      rope.Refuse("rope_type", "another one than rope_scaling has", "the same");
    }
    out.kind = kind;
    if (!seen && kind != RopeKind::kDefault) ReadScaling(fields, rope, config);
    seen = true;
  }
  const json found = {{"partial_rotary_factor", rotary_factor}};
  const ConfigFields factor(found, fields.file());
  if (!absent.heeds_partial_rotary_factor) factor.Only("partial_rotary_factor", 1.0, 1.0);
  out.partial_rotary_factor = factor.Positive("partial_rotary_factor");
  if (out.partial_rotary_factor > 1) {
    factor.Refuse("partial_rotary_factor", base::DumpJson(rotary_factor), "at most 1");
  }
  out.base = base > 0 ? base : absent.base;
  if (out.base <= 1) {
    fields.Refuse("rope_theta", std::to_string(out.base), "a number above 1");
  }
}

json RopeToJson(const RopeConfig& rope) {
  json out;
  json scaling = {{"rope_type", "default"}};
  if (rope.kind == RopeKind::kLinear || rope.kind == RopeKind::kDynamic) {
    scaling = {{"rope_type", rope.kind == RopeKind::kLinear ? "linear" : "dynamic"},
               {"factor", rope.factor}};
  }
  if (rope.kind == RopeKind::kLlama3) {
    scaling = {{"rope_type", "llama3"},
               {"factor", rope.factor},
               {"low_freq_factor", rope.low_freq_factor},
               {"high_freq_factor", rope.high_freq_factor}};
  }
  if (rope.kind == RopeKind::kYarn) {
    scaling = {{"rope_type", "yarn"},
               {"factor", rope.factor},
               {"beta_fast", rope.beta_fast},
               {"beta_slow", rope.beta_slow},
               {"truncate", rope.truncate}};
    if (rope.attention_factor.has_value()) scaling["attention_factor"] = *rope.attention_factor;
    if (rope.mscale > 0) scaling["mscale"] = rope.mscale;
    if (rope.mscale_all_dim > 0) scaling["mscale_all_dim"] = rope.mscale_all_dim;
  }
  const bool scaled = rope.kind != RopeKind::kDefault;
  if (rope.kind == RopeKind::kLlama3 || rope.kind == RopeKind::kYarn)
    scaling["original_max_position_embeddings"] = rope.original_max_positions;
  // Both dialects: transformers 4 reads the top-level fields, 5 the nested ones.
  out["rope_theta"] = rope.base;
  out["rope_scaling"] = scaled ? scaling : json();
  scaling["rope_theta"] = rope.base;
  out["rope_parameters"] = scaling;
  return out;
}

}  // namespace cohort::policy
