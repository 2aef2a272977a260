#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/nearest_name.h"
#include "rl/objectives/objective.h"

namespace cohort::rl {
namespace {

using Json = nlohmann::json;

[[noreturn]] void Refuse(const std::string& knob, const std::string& expected, const Json& value) {
  throw Error(ErrorCode::kUsage, knob + " must be " + expected + ", got " + value.dump());
}

struct Range {
  double min;
  double max;
};

double ReadNumber(const std::string& knob, const Json& value, Range range) {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!(number >= range.min && number <= range.max)) {
    Refuse(knob, "a number in [" + Json(range.min).dump() + ", " + Json(range.max).dump() + "]",
           value);
  }
  return number;
}

int64_t ReadInteger(const std::string& knob, const Json& value, Range range) {
  const double number = ReadNumber(knob, value, range);
  if (number != std::floor(number)) Refuse(knob, "a whole number", value);
  return static_cast<int64_t>(number);
}

template <typename Kind>
using Names = std::vector<std::pair<std::string, Kind>>;

template <typename Kind>
Kind ReadKind(const std::string& knob, const Json& value, const Names<Kind>& kinds) {
  std::vector<std::string> names;
  std::string all;
  for (const auto& [name, kind] : kinds) {
    if (value == name) return kind;
    names.push_back(name);
    all += (all.empty() ? "" : ", ") + name;
  }
  if (!value.is_string()) Refuse(knob, "one of " + all, value);
  const std::string given = value.get<std::string>();
  throw Error(ErrorCode::kUsage,
              "unknown " + knob + " '" + given + "'" + base::DidYouMean(given, names),
              "one of " + all);
}

const Names<AdvantageKind> kAdvantages = {{"group_mean_std", AdvantageKind::kGroupMeanStd},
                                          {"group_mean", AdvantageKind::kGroupMean},
                                          {"rloo", AdvantageKind::kRloo}};
const Names<RatioKind> kRatios = {
    {"token", RatioKind::kToken}, {"sequence", RatioKind::kSequence}, {"cispo", RatioKind::kCispo}};
const Names<AggregationKind> kAggregations = {
    {"token_mean", AggregationKind::kTokenMean},
    {"sequence_mean", AggregationKind::kSequenceMean},
    {"sequence_sum", AggregationKind::kSequenceSum},
    {"constant_length", AggregationKind::kConstantLength}};
const Names<KlKind> kKls = {
    {"none", KlKind::kNone}, {"k1", KlKind::kK1}, {"k2", KlKind::kK2}, {"k3", KlKind::kK3}};
const Names<IsCorrectionKind> kIsCorrections = {{"none", IsCorrectionKind::kNone},
                                                {"token", IsCorrectionKind::kToken}};

// Sets the knob called `name` from `value`; `at` is its full name, for errors.
using SetKnob = std::function<void(Objective&, const std::string& at, const Json& value)>;

const std::vector<std::pair<std::string, SetKnob>>& Knobs() {
  using O = Objective;
  using S = const std::string;
  static const std::vector<std::pair<std::string, SetKnob>> knobs = {
      {"advantage", [](O& o, S& at, const Json& v) { o.advantage = ReadKind(at, v, kAdvantages); }},
      {"std_ddof",
       [](O& o, S& at, const Json& v) {
         o.std_ddof = static_cast<int>(ReadInteger(at, v, {0, 1}));
       }},
      {"std_eps",
       [](O& o, S& at, const Json& v) {
         o.std_eps = ReadNumber(at, v, {0, 1});
       }},
      {"ratio", [](O& o, S& at, const Json& v) { o.ratio = ReadKind(at, v, kRatios); }},
      {"clip_low",
       [](O& o, S& at, const Json& v) {
         o.clip_low = ReadNumber(at, v, {0, 1});
       }},
      {"clip_high",
       [](O& o, S& at, const Json& v) {
         o.clip_high = ReadNumber(at, v, {0, 100});
       }},
      {"dual_clip",
       [](O& o, S& at, const Json& v) {
         o.dual_clip = v.is_null() ? std::nullopt : std::optional(ReadNumber(at, v, {1, 100}));
       }},
      {"cispo_cap",
       [](O& o, S& at, const Json& v) {
         o.cispo_cap = ReadNumber(at, v, {0, 100});
       }},
      {"aggregation",
       [](O& o, S& at, const Json& v) { o.aggregation = ReadKind(at, v, kAggregations); }},
      {"max_length",
       [](O& o, S& at, const Json& v) {
         o.max_length = ReadInteger(at, v, {1, 1e9});
       }},
      {"kl", [](O& o, S& at, const Json& v) { o.kl = ReadKind(at, v, kKls); }},
      {"kl_coef",
       [](O& o, S& at, const Json& v) {
         o.kl_coef = ReadNumber(at, v, {0, 100});
       }},
      {"is_correction",
       [](O& o, S& at, const Json& v) { o.is_correction = ReadKind(at, v, kIsCorrections); }},
      {"is_cap",
       [](O& o, S& at, const Json& v) {
         o.is_cap = ReadNumber(at, v, {0, 100});
       }},
  };
  return knobs;
}

void SetByName(Objective& objective, const std::string& name, const Json& value,
               const std::string& where) {
  std::vector<std::string> names = {"preset"};
  for (const auto& [knob, set] : Knobs()) {
    if (knob == name) return set(objective, where + "." + name, value);
    names.push_back(knob);
  }
  std::string all;
  for (const std::string& knob : names) all += (all.empty() ? "" : ", ") + knob;
  throw Error(ErrorCode::kUsage,
              "unknown knob " + where + "." + name + base::DidYouMean(name, names),
              "knobs: " + all);
}

}  // namespace

Objective ParseObjective(const Json& json, const std::string& where) {
  if (!json.is_object()) Refuse(where, "an object such as {\"preset\": \"grpo\"}", json);
  const auto preset = json.find("preset");
  if (preset == json.end()) {
    throw Error(ErrorCode::kUsage, where + ".preset is missing",
                "for example {\"preset\": \"grpo\"}");
  }
  if (!preset->is_string()) Refuse(where + ".preset", "a name", *preset);
  Objective objective = FromPreset(preset->get<std::string>());
  for (const auto& [name, value] : json.items()) {
    if (name != "preset") SetByName(objective, name, value, where);
  }
  return objective;
}

}  // namespace cohort::rl
