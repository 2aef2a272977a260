#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace cohort::reward {

// The drafts of JSON Schema that are read. A schema without $schema is of the last.
enum class SchemaDialect { kDraft06, kDraft07, kDraft2019, kDraft2020 };

// Errors: kUsage for a URI that is none of these.
SchemaDialect DialectNamed(const std::string& uri);

// The kind of value that a keyword has.
enum class KeywordHolds { kValue, kSchema, kSchemas, kSchemaOrSchemas, kNamedSchemas };

struct SchemaKeyword {
  const char* name;
  KeywordHolds holds;
  SchemaDialect first = SchemaDialect::kDraft06;
  SchemaDialect last = SchemaDialect::kDraft2020;
};

// Null for what is no keyword of the dialect, or only says something about the value.
const SchemaKeyword* FindKeyword(const std::string& name, SchemaDialect dialect);

// Whether a keyword's own value is of the kind that the standard demands.
bool IsWellFormed(const std::string& keyword, const nlohmann::json& value);

// Names that are near to an unknown one; "" for a name that is like none: an annotation.
std::string NearKeyword(const std::string& name);

}  // namespace cohort::reward
