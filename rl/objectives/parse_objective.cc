#include "rl/objectives/parse_objective.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/nearest_name.h"
#include "rl/objectives/objective.h"
#include "rl/recipe/enum_words.h"
#include "rl/recipe/reader.h"
#include "rl/recipe/value.h"

namespace cohort::rl {
namespace {

using Json = nlohmann::json;
using Field = google::protobuf::FieldDescriptor;

constexpr char kWhere[] = "objective";

[[noreturn]] void Refuse(const std::string& knob, const std::string& expected, const Json& value) {
  throw Error(ErrorCode::kUsage, knob + " must be " + expected + ", got " + value.dump());
}

double ReadNumber(const std::string& knob, const Json& value, const proto::Rule& rule) {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!(number >= rule.min() && number <= rule.max())) {
    Refuse(knob, "a number in [" + Json(rule.min()).dump() + ", " + Json(rule.max()).dump() + "]",
           value);
  }
  return number;
}

int32_t ReadInteger(const std::string& knob, const Json& value, const proto::Rule& rule) {
  const double number = ReadNumber(knob, value, rule);
  if (number != std::floor(number)) Refuse(knob, "a whole number", value);
  return static_cast<int32_t>(number);
}

const google::protobuf::EnumValueDescriptor* ReadKind(
    const std::string& knob, const Json& value, const google::protobuf::EnumDescriptor& type) {
  const std::vector<std::string> words = WordsOf(type);
  if (!value.is_string()) Refuse(knob, "one of " + base::CommaSeparated(words), value);
  const std::string given = value.get<std::string>();
  const auto* found = FindWord(type, given);
  if (found != nullptr) return found;
  throw Error(ErrorCode::kUsage,
              "unknown " + knob + " '" + given + "'" + base::DidYouMean(given, words),
              "one of " + base::CommaSeparated(words));
}

proto::Objective::Preset ReadPreset(const Json& json) {
  const std::string knob = std::string(kWhere) + ".preset";
  const auto preset = json.find("preset");
  if (preset == json.end()) {
    throw Error(ErrorCode::kUsage, knob + " is missing", "for example {\"preset\": \"grpo\"}");
  }
  if (!preset->is_string()) Refuse(knob, "a name", *preset);
  const std::string name = preset->get<std::string>();
  if (const auto found = EnumOf<proto::Objective::Preset>(name)) return *found;
  const std::vector<std::string> names = WordsOf(*proto::Objective::Preset_descriptor());
  throw Error(ErrorCode::kUsage,
              "unknown objective preset '" + name + "'" + base::DidYouMean(name, names),
              "presets: " + base::CommaSeparated(names));
}

void SetKnob(const std::string& name, const Json& value, proto::Objective* objective) {
  const std::string knob = std::string(kWhere) + "." + name;
  const Field* field = proto::Objective::descriptor()->FindFieldByName(name);
  if (field == nullptr) {
    const std::vector<std::string> names = FieldNames(proto::Objective::descriptor());
    throw Error(ErrorCode::kUsage, "unknown knob " + knob + base::DidYouMean(name, names),
                "knobs: " + base::CommaSeparated(names));
  }
  const auto* reflection = objective->GetReflection();
  if (value.is_null() && field->number() == proto::Objective::kDualClipFieldNumber) {
    objective->clear_dual_clip();
  } else if (field->cpp_type() == Field::CPPTYPE_ENUM) {
    reflection->SetEnum(objective, field, ReadKind(knob, value, *field->enum_type()));
  } else if (field->cpp_type() == Field::CPPTYPE_INT32) {
    reflection->SetInt32(objective, field, ReadInteger(knob, value, RuleOf(field)));
  } else {
    reflection->SetDouble(objective, field, ReadNumber(knob, value, RuleOf(field)));
  }
}

}  // namespace

proto::Objective ParseObjective(const Json& json) {
  if (!json.is_object()) Refuse(kWhere, "an object such as {\"preset\": \"grpo\"}", json);
  proto::Objective objective = FromPreset(ReadPreset(json));
  for (const auto& [name, value] : json.items()) {
    if (name != "preset") SetKnob(name, value, &objective);
  }
  // As ResolveObjective: `kl: none` alone suffices.
  const bool no_kl = objective.kl() == proto::Objective::KL_NONE;
  if (no_kl && !json.contains("kl_coef")) objective.set_kl_coef(0);
  return objective;
}

}  // namespace cohort::rl
