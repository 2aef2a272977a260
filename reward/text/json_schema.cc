#include "reward/text/json_schema.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json_lines.h"
#include "reward/text/pattern.h"
#include "reward/text/schema_check.h"

namespace cohort::reward {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 100;

const std::set<std::string>& Annotations() {
  static const std::set<std::string> names = {
      "title",   "description", "default",         "examples",
      "format",  "deprecated",  "readOnly",        "writeOnly",
      "$schema", "$id",         "$comment",        "$anchor",
      "strict",  "nullable",    "contentEncoding", "contentMediaType"};
  return names;
}

enum class Holds { kValue, kSchema, kSchemas, kNamedSchemas };

const std::map<std::string, Holds>& Keywords() {
  static const std::map<std::string, Holds> keywords = {
      {"type", Holds::kValue},
      {"enum", Holds::kValue},
      {"const", Holds::kValue},
      {"required", Holds::kValue},
      {"minProperties", Holds::kValue},
      {"maxProperties", Holds::kValue},
      {"minItems", Holds::kValue},
      {"maxItems", Holds::kValue},
      {"uniqueItems", Holds::kValue},
      {"minLength", Holds::kValue},
      {"maxLength", Holds::kValue},
      {"pattern", Holds::kValue},
      {"minimum", Holds::kValue},
      {"maximum", Holds::kValue},
      {"exclusiveMinimum", Holds::kValue},
      {"exclusiveMaximum", Holds::kValue},
      {"multipleOf", Holds::kValue},
      {"$ref", Holds::kValue},
      {"items", Holds::kSchema},
      {"additionalProperties", Holds::kSchema},
      {"not", Holds::kSchema},
      {"prefixItems", Holds::kSchemas},
      {"anyOf", Holds::kSchemas},
      {"oneOf", Holds::kSchemas},
      {"allOf", Holds::kSchemas},
      {"properties", Holds::kNamedSchemas},
      {"$defs", Holds::kNamedSchemas},
      {"definitions", Holds::kNamedSchemas},
  };
  return keywords;
}

// Whether the keyword's own value has the type that the standard demands.
bool IsWellFormed(const std::string& keyword, const json& value) {
  if (keyword == "type") {
    const auto is_name = [](const json& name) {
      static const std::set<std::string> types = {"null",   "boolean", "integer", "number",
                                                  "string", "array",   "object"};
      return name.is_string() && types.contains(name.get<std::string>());
    };
    return is_name(value) || (value.is_array() && std::all_of(value.begin(), value.end(), is_name));
  }
  if (keyword == "enum") return value.is_array();
  if (keyword == "const") return true;
  if (keyword == "required") {
    return value.is_array() && std::all_of(value.begin(), value.end(),
                                           [](const json& name) { return name.is_string(); });
  }
  if (keyword == "uniqueItems") return value.is_boolean();
  if (keyword == "pattern" || keyword == "$ref") return value.is_string();
  if (keyword == "multipleOf") return value.is_number() && value.get<double>() > 0;
  if (keyword.starts_with("min") || keyword.starts_with("max") ||
      keyword.starts_with("exclusive")) {
    return value.is_number();
  }
  return true;
}

[[noreturn]] void Refuse(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::kUsage, "JSON schema: " + where + " " + what,
              "reward/text/json_schema.h lists the keywords");
}

}  // namespace

JsonSchema::JsonSchema(json schema) : schema_(std::move(schema)) { Examine(schema_, "#", 0); }

const json& JsonSchema::Resolve(const std::string& reference) const {
  if (reference == "#") return schema_;
  if (!reference.starts_with("#/")) Refuse("'" + reference + "'", "is not a $ref into this schema");
  try {
    return schema_.at(json::json_pointer(reference.substr(1)));
  } catch (const json::exception&) {
    Refuse("'" + reference + "'", "is a $ref that leads nowhere");
  }
}

void JsonSchema::Examine(const json& schema, const std::string& where, int depth) {
  if (depth > kMaxDepth) Refuse(where, "is nested too deep");
  if (schema.is_boolean()) return;
  if (!schema.is_object()) Refuse(where, "is neither an object nor true or false");
  for (const auto& [keyword, value] : schema.items()) {
    if (Annotations().contains(keyword)) continue;
    const auto known = Keywords().find(keyword);
    const std::string place = where + "/" + keyword;
    if (known == Keywords().end()) Refuse(place, "is not supported");
    if (!IsWellFormed(keyword, value)) Refuse(place, "is " + base::DumpJson(value).substr(0, 60));
    switch (known->second) {
      case Holds::kValue:
        break;
      case Holds::kSchema:
        Examine(value, place, depth + 1);
        break;
      case Holds::kSchemas:
        if (!value.is_array()) Refuse(place, "is not a list of schemas");
        for (size_t i = 0; i < value.size(); ++i) {
          Examine(value[i], place + "/" + std::to_string(i), depth + 1);
        }
        break;
      case Holds::kNamedSchemas:
        if (!value.is_object()) Refuse(place, "is not an object of schemas");
        for (const auto& [name, one] : value.items()) Examine(one, place + "/" + name, depth + 1);
        break;
    }
    if (keyword == "$ref") Resolve(value.get<std::string>());
    if (keyword == "pattern") {
      const auto pattern = value.get<std::string>();
      patterns_.emplace(pattern, CompileSearchPattern(pattern));
    }
  }
}

JsonSchema::Result JsonSchema::Check(const json& value, const Budget& budget) const {
  SchemaCheck check(*this, budget);
  if (check.Holds(schema_, value, "", 0)) return {};
  return {check.gave_up() ? Validity::kTooMuchWork : Validity::kInvalid, check.why()};
}

}  // namespace cohort::reward
