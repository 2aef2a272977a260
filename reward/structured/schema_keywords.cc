#include "reward/structured/schema_keywords.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/nearest_name.h"
#include "reward/grader.h"
#include "reward/structured/json_order.h"

namespace cohort::reward {
namespace {

using nlohmann::json;
using enum SchemaDialect;
using enum KeywordHolds;

constexpr SchemaKeyword kKeywords[] = {
    {"$id", kValue},
    {"$schema", kValue},
    {"$ref", kValue},
    {"$anchor", kValue, kDraft2019},
    {"$recursiveAnchor", kValue, kDraft2019, kDraft2019},
    {"$recursiveRef", kValue, kDraft2019, kDraft2019},
    {"$dynamicAnchor", kValue, kDraft2020},
    {"$dynamicRef", kValue, kDraft2020},
    {"$defs", kNamedSchemas},
    {"definitions", kNamedSchemas},
    {"type", kValue},
    {"enum", kValue},
    {"const", kValue},
    {"minimum", kValue},
    {"maximum", kValue},
    {"exclusiveMinimum", kValue},
    {"exclusiveMaximum", kValue},
    {"multipleOf", kValue},
    {"minLength", kValue},
    {"maxLength", kValue},
    {"pattern", kValue},
    {"minItems", kValue},
    {"maxItems", kValue},
    {"uniqueItems", kValue},
    {"minContains", kValue, kDraft2019},
    {"maxContains", kValue, kDraft2019},
    {"minProperties", kValue},
    {"maxProperties", kValue},
    {"required", kValue},
    {"dependentRequired", kValue, kDraft2019},
    {"allOf", kSchemas},
    {"anyOf", kSchemas},
    {"oneOf", kSchemas},
    {"not", kSchema},
    {"if", kSchema, kDraft07},
    {"then", kSchema, kDraft07},
    {"else", kSchema, kDraft07},
    {"properties", kNamedSchemas},
    {"patternProperties", kNamedSchemas},
    {"additionalProperties", kSchema},
    {"propertyNames", kSchema},
    {"dependencies", kValue},
    {"dependentSchemas", kNamedSchemas, kDraft2019},
    {"prefixItems", kSchemas, kDraft2020},
    {"items", kSchema, kDraft2020},
    {"items", kSchemaOrSchemas, kDraft06, kDraft2019},
    {"additionalItems", kSchema, kDraft06, kDraft2019},
    {"contains", kSchema},
    {"unevaluatedItems", kSchema, kDraft2019},
    {"unevaluatedProperties", kSchema, kDraft2019},
};

constexpr const char* kAnnotations[] = {
    "title",       "description",      "default",         "examples",     "example", "format",
    "deprecated",  "readOnly",         "writeOnly",       "$comment",     "strict",  "nullable",
    "$vocabulary", "contentMediaType", "contentEncoding", "contentSchema"};

bool IsName(const json& value) { return value.is_string(); }

bool IsListOfNames(const json& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), IsName);
}

bool IsTypeName(const json& name) {
  static const std::set<std::string> types = {"null",   "boolean", "integer", "number",
                                              "string", "array",   "object"};
  return name.is_string() && types.contains(name.get<std::string>());
}

bool IsCount(const json& value) {
  return value.is_number() && IsInteger(value) && value.get<double>() >= 0;
}

}  // namespace

SchemaDialect DialectNamed(const std::string& uri) {
  const std::string name = uri.substr(0, uri.find('#'));
  for (const char* const scheme : {"http", "https"}) {
    const std::string site = std::string(scheme) + "://json-schema.org/";
    if (name == site + "draft/2020-12/schema") return kDraft2020;
    if (name == site + "draft/2019-09/schema") return kDraft2019;
    if (name == site + "draft-07/schema") return kDraft07;
    if (name == site + "draft-06/schema") return kDraft06;
  }
  throw Error(ErrorCode::kUsage, "JSON schema: $schema is " + Quote(uri) + ", which is not read",
              "draft 2020-12, 2019-09, draft-07 and draft-06 are");
}

const SchemaKeyword* FindKeyword(const std::string& name, SchemaDialect dialect) {
  for (const SchemaKeyword& keyword : kKeywords) {
    if (keyword.name == name && keyword.first <= dialect && dialect <= keyword.last) {
      return &keyword;
    }
  }
  return nullptr;
}

bool IsWellFormed(const std::string& keyword, const json& value) {
  if (keyword == "type") {
    return IsTypeName(value) ||
           (value.is_array() && std::all_of(value.begin(), value.end(), IsTypeName));
  }
  if (keyword == "enum") return value.is_array();
  if (keyword == "const") return true;
  if (keyword == "required") return IsListOfNames(value);
  if (keyword == "dependentRequired") {
    return value.is_object() && std::all_of(value.begin(), value.end(), IsListOfNames);
  }
  if (keyword == "dependencies") return value.is_object();
  if (keyword == "uniqueItems" || keyword == "$recursiveAnchor") return value.is_boolean();
  if (keyword == "pattern" || keyword.starts_with("$")) return value.is_string();
  if (keyword == "multipleOf") return value.is_number() && value.get<double>() > 0;
  if (keyword.ends_with("imum")) return IsNumber(value);
  return IsCount(value);
}

std::string NearKeyword(const std::string& name) {
  std::vector<std::string> known;
  for (const SchemaKeyword& keyword : kKeywords) known.push_back(keyword.name);
  for (const char* const annotation : kAnnotations) known.push_back(annotation);
  if (std::find(known.begin(), known.end(), name) != known.end()) return "";
  return name.size() < 4 ? "" : base::NearestName(name, known);
}

}  // namespace cohort::reward
