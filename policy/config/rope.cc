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
constexpr std::string_view kLongRopeKeys[] = {"short_factor", "long_factor"};
constexpr std::string_view kSectionKeys[] = {"mrope_section", "mrope_interleaved"};
constexpr char kFull[] = "full_attention";
constexpr char kWindowed[] = "sliding_attention";
constexpr char kBase[] = "rope_theta";
// gemma3's name of the windowed layers' base in transformers 4.
constexpr char kWindowedBase[] = "rope_local_base_freq";

RopeKind ReadKind(const ConfigFields& rope, const RopeDialect& dialect) {
  const char* key = rope.NameOf("rope_type", "type");
  if (!rope.Has(key)) return RopeKind::kDefault;
  const json& kind = rope.At(key);
  if (rope.Has("type") && rope.At("type") != kind) {
    rope.Refuse("type", base::DumpJson(rope.At("type")), "rope_type, " + base::DumpJson(kind));
  }
  if (kind == "default") return RopeKind::kDefault;
  if (dialect.has_long_rope) {
    // "su" and "yarn" are older names of it in Phi-3's own configs.
    if (kind == "longrope" || kind == "su" || kind == "yarn") return RopeKind::kLongRope;
    rope.Refuse(key, base::DumpJson(kind), "\"default\" or \"longrope\"");
  }
  if (kind == "linear") return RopeKind::kLinear;
  if (kind == "dynamic") return RopeKind::kDynamic;
  if (kind == "llama3") return RopeKind::kLlama3;
  if (kind == "yarn") return RopeKind::kYarn;
  const bool long_rope = kind == "longrope" || kind == "su";
  rope.Refuse(key, base::DumpJson(kind),
              std::string("\"default\", \"linear\", \"dynamic\", \"llama3\" or \"yarn\"") +
                  (long_rope ? "; \"longrope\" is read of the family phi3 alone" : ""));
}

std::string Shown(double number) { return base::DumpJson(json(number)); }

// The sizes of three parts; transformers asks no more of them, and a text's are not used.
void CheckSections(const ConfigFields& rope) {
  constexpr char kSections[] = "mrope_section";
  if (!rope.Has(kSections)) return;
  const json& list = rope.At(kSections);
  const bool are_sizes = list.is_array() && list.size() == 3 &&
                         std::all_of(list.begin(), list.end(), [](const json& size) {
                           return size.is_number_integer() && size >= 0;
                         });
  if (are_sizes) return;
  rope.Refuse(kSections, base::DumpJson(list),
              "a list of three whole numbers: the pairs that turn by time, row and column");
}

// 0 counts as absent, as it does in transformers.
double MscaleOrZero(const ConfigFields& rope, const char* key) {
  return !rope.Has(key) || rope.At(key) == 0 ? 0.0 : rope.Positive(key);
}

std::vector<double> ReadFactors(const ConfigFields& rope, const char* key) {
  const std::string expected = "a list of positive numbers, one for each pair that rotates";
  if (!rope.Has(key)) rope.Refuse(key, "missing", expected);
  const json& list = rope.At(key);
  if (!list.is_array() || list.size() > static_cast<size_t>(kMaxHeadDim)) {
    rope.Refuse(key, base::DumpJson(list), expected);
  }
  std::vector<double> factors;
  for (const json& value : list) {
    const json one = {{key, value}};
    factors.push_back(ConfigFields(one, rope.file(), rope.prefix()).Positive(key));
  }
  return factors;
}

// The object of one rope, and what it is read with.
struct RopeReader {
  const ConfigFields& fields;  // of config.json
  const RopeDialect& dialect;
  int64_t max_positions;

  void ReadScaling(const ConfigFields& rope, RopeConfig* out) const {
    if (out->kind == RopeKind::kLinear || out->kind == RopeKind::kDynamic) {
      out->factor = rope.Positive("factor");
      return;
    }
    // Some configs state the original context beside the object; that one then counts.
    const char* original = "original_max_position_embeddings";
    const int64_t absent =
        dialect.original_max_positions > 0 ? dialect.original_max_positions : max_positions;
    const bool beside = fields.Has(original);
    out->original_max_positions = (beside ? fields : rope).IntOr(original, 1, kMaxSize, absent);
    // Phi3Config has a value of its own, which counts before the object's.
    if (dialect.original_max_positions > 0 && !beside && out->original_max_positions != absent) {
      rope.Refuse(original, std::to_string(out->original_max_positions),
                  "original_max_position_embeddings beside it, which is " + std::to_string(absent) +
                      " by default");
    }
    if (out->kind == RopeKind::kLlama3) return ReadLlama3(rope, out);
    // transformers asks for the key; its null stands for the ratio of the contexts.
    if (out->kind == RopeKind::kYarn && !rope.IsNull("factor")) rope.Positive("factor");
    out->factor = rope.PositiveOr("factor", static_cast<double>(max_positions) /
                                                static_cast<double>(out->original_max_positions));
    if (rope.Has("attention_factor")) out->attention_factor = rope.Positive("attention_factor");
    if (out->kind == RopeKind::kLongRope) return ReadLongRope(rope, out);
    out->beta_fast = rope.PositiveOr("beta_fast", 32.0);
    out->beta_slow = rope.PositiveOr("beta_slow", 1.0);
    out->truncate = rope.BoolOr("truncate", true);
    out->mscale = MscaleOrZero(rope, "mscale");
    out->mscale_all_dim = MscaleOrZero(rope, "mscale_all_dim");
  }

  static void ReadLlama3(const ConfigFields& rope, RopeConfig* out) {
    out->factor = rope.Positive("factor");
    out->low_freq_factor = rope.Positive("low_freq_factor");
    out->high_freq_factor = rope.Positive("high_freq_factor");
    if (out->high_freq_factor <= out->low_freq_factor) {
      rope.Refuse("high_freq_factor", Shown(out->high_freq_factor),
                  "more than low_freq_factor, " + Shown(out->low_freq_factor));
    }
  }

  static void ReadLongRope(const ConfigFields& rope, RopeConfig* out) {
    out->short_factors = ReadFactors(rope, "short_factor");
    out->long_factors = ReadFactors(rope, "long_factor");
    if (out->original_max_positions < 2) {
      rope.Refuse("original_max_position_embeddings", std::to_string(out->original_max_positions),
                  "at least 2");
    }
  }

  // A key that is not known here would change the rotation: sections of multimodal positions,
  // factors of a kind that the class does not have.
  void RefuseUnknownKeys(const ConfigFields& rope) const {
    const auto is_in = [](const auto& keys, const std::string& key) {
      return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
    };
    for (const auto& [key, value] : rope.object().items()) {
      if (is_in(kKnownKeys, key) || (dialect.has_long_rope && is_in(kLongRopeKeys, key)) ||
          (dialect.has_sections && is_in(kSectionKeys, key))) {
        continue;
      }
      rope.Refuse(key, base::DumpJson(value), "not to be there: it is not supported");
    }
    CheckSections(rope);
  }

  // From the objects that state one rope, which must agree. `base`: stated beside them, or 0;
  // `absent`: where nothing states it; `key`: its name beside them.
  RopeConfig Read(const std::vector<ConfigFields>& objects, const char* key, double absent) const {
    double base = fields.PositiveOr(key, 0.0);
    RopeConfig out;
    json rotary_factor = dialect.partial_rotary_factor;
    if (fields.Has("partial_rotary_factor")) rotary_factor = fields.At("partial_rotary_factor");
    bool seen = false;
    for (const ConfigFields& rope : objects) {
      const RopeKind kind = ReadKind(rope, dialect);
      RefuseUnknownKeys(rope);
      const double own = rope.PositiveOr("rope_theta", base);
      if (base > 0 && own != base) {
        rope.Refuse("rope_theta", Shown(own), "rope_theta, " + Shown(base));
      }
      if (rope.Has("rope_theta") && own <= 1) {
        rope.Refuse("rope_theta", Shown(own), "a number above 1");
      }
      base = own;
      if (rope.Has("partial_rotary_factor")) rotary_factor = rope.At("partial_rotary_factor");
      if (seen && kind != out.kind) {
        rope.Refuse("rope_type", "another one than rope_scaling has", "the same");
      }
      out.kind = kind;
      if (!seen && kind != RopeKind::kDefault) ReadScaling(rope, &out);
      seen = true;
    }
    const json found = {{"partial_rotary_factor", rotary_factor}};
    const ConfigFields factor(found, fields.file());
    if (!dialect.heeds_partial_rotary_factor) factor.Only("partial_rotary_factor", 1.0, 1.0);
    out.partial_rotary_factor = factor.Positive("partial_rotary_factor");
    if (out.partial_rotary_factor > 1) {
      factor.Refuse("partial_rotary_factor", base::DumpJson(rotary_factor), "at most 1");
    }
    out.base = base > 0 ? base : absent;
    if (out.base <= 1) {
      fields.Refuse(key, Shown(out.base), "a number above 1");
    }
    return out;
  }
};

// The object under `key`, absent where it is not there.
std::vector<ConfigFields> ObjectAt(const ConfigFields& fields, const char* key) {
  if (!fields.Has(key)) return {};
  if (!fields.At(key).is_object()) {
    fields.Refuse(key, base::DumpJson(fields.At(key)), "an object or null");
  }
  return {ConfigFields(fields.At(key), fields.file(), fields.prefix() + key + ".")};
}

// One object for each type of layer, in transformers 5's dialect.
void ReadRopeByLayerType(const ConfigFields& fields, const RopeReader& reader,
                         ModelConfig* config) {
  std::vector<ConfigFields> full = ObjectAt(fields, "rope_scaling"), windowed;
  for (const ConfigFields& both : ObjectAt(fields, "rope_parameters")) {
    const std::string expected = "one object for full_attention and one for sliding_attention";
    for (const auto& [key, value] : both.object().items()) {
      if (key != kFull && key != kWindowed) {
        both.Refuse(key, base::DumpJson(value), "not to be there: " + expected);
      }
    }
    for (const char* key : {kFull, kWindowed}) {
      if (!both.Has(key)) both.Refuse(key, "missing", expected);
    }
    for (const ConfigFields& rope : ObjectAt(both, kFull)) full.push_back(rope);
    windowed = ObjectAt(both, kWindowed);
  }
  const RopeDialect& dialect = reader.dialect;
  config->rope = reader.Read(full, kBase, dialect.base);
  const double absent = dialect.windowed_base > 0 ? dialect.windowed_base : config->rope.base;
  const RopeConfig other = reader.Read(windowed, kWindowedBase, absent);
  if (other != config->rope) config->windowed_rope = other;
}

json ScalingToJson(const RopeConfig& rope) {
  json scaling;
  switch (rope.kind) {
    case RopeKind::kDefault:
      return {{"rope_type", "default"}};
    case RopeKind::kLinear:
    case RopeKind::kDynamic:
      return {{"rope_type", rope.kind == RopeKind::kLinear ? "linear" : "dynamic"},
              {"factor", rope.factor}};
    case RopeKind::kLlama3:
      scaling = {{"rope_type", "llama3"},
                 {"factor", rope.factor},
                 {"low_freq_factor", rope.low_freq_factor},
                 {"high_freq_factor", rope.high_freq_factor}};
      break;
    case RopeKind::kYarn:
      scaling = {{"rope_type", "yarn"},
                 {"factor", rope.factor},
                 {"beta_fast", rope.beta_fast},
                 {"beta_slow", rope.beta_slow},
                 {"truncate", rope.truncate}};
      if (rope.mscale > 0) scaling["mscale"] = rope.mscale;
      if (rope.mscale_all_dim > 0) scaling["mscale_all_dim"] = rope.mscale_all_dim;
      break;
    case RopeKind::kLongRope:
      scaling = {{"rope_type", "longrope"},
                 {"factor", rope.factor},
                 {"short_factor", rope.short_factors},
                 {"long_factor", rope.long_factors}};
      break;
  }
  if (rope.attention_factor.has_value()) scaling["attention_factor"] = *rope.attention_factor;
  scaling["original_max_position_embeddings"] = rope.original_max_positions;
  return scaling;
}

// The object of transformers 5.
json ParametersToJson(const RopeConfig& rope) {
  json out = ScalingToJson(rope);
  out["rope_theta"] = rope.base;
  return out;
}

}  // namespace

void ReadRope(const ConfigFields& fields, const RopeDialect& dialect, ModelConfig* config) {
  const RopeReader reader{fields, dialect, config->max_positions};
  if (dialect.by_layer_type) return ReadRopeByLayerType(fields, reader, config);
  std::vector<ConfigFields> objects;
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    for (const ConfigFields& rope : ObjectAt(fields, key)) objects.push_back(rope);
  }
  config->rope = reader.Read(objects, kBase, dialect.base);
}

// Both dialects: transformers 4 reads the top-level fields, 5 rope_parameters.
json RopeToJson(const ModelConfig& config, const RopeDialect& dialect) {
  const RopeConfig& rope = config.rope;
  json out;
  out["rope_theta"] = rope.base;
  out["rope_scaling"] = rope.kind == RopeKind::kDefault ? json() : ScalingToJson(rope);
  const double ratio = static_cast<double>(config.max_positions) /
                       static_cast<double>(std::max<int64_t>(1, rope.original_max_positions));
  if (rope.kind == RopeKind::kLongRope && rope.factor == ratio && !rope.attention_factor) {
    // Phi3Config of transformers 4 takes these three fields and no other.
    out["rope_scaling"] = {{"type", "longrope"},
                           {"short_factor", rope.short_factors},
                           {"long_factor", rope.long_factors}};
  }
  out["rope_parameters"] = ParametersToJson(rope);
  if (dialect.by_layer_type) {
    const RopeConfig& windowed = config.windowed_rope ? *config.windowed_rope : rope;
    out["rope_parameters"] = {{kFull, ParametersToJson(rope)},
                              {kWindowed, ParametersToJson(windowed)}};
    if (dialect.windowed_base > 0) out[kWindowedBase] = windowed.base;
  }
  // Beside the object too, where Phi-3's class reads it.
  if (rope.kind == RopeKind::kLongRope) {
    out["original_max_position_embeddings"] = rope.original_max_positions;
  }
  if (dialect.heeds_partial_rotary_factor) {
    // transformers 4 reads it here, 5 in rope_parameters.
    out["partial_rotary_factor"] = rope.partial_rotary_factor;
    out["rope_parameters"]["partial_rotary_factor"] = rope.partial_rotary_factor;
  }
  return out;
}

}  // namespace cohort::policy
