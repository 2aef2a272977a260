#pragma once

// JSON Schema (json-schema.org, 2020-12) as far as structured output uses it: type, enum, const,
// properties, required, additionalProperties, minProperties, maxProperties, items, prefixItems,
// minItems, maxItems, uniqueItems, minLength, maxLength, pattern, minimum, maximum,
// exclusiveMinimum, exclusiveMaximum, multipleOf, anyOf, oneOf, allOf, not, $ref into $defs or
// definitions. Annotations (title, description, default, examples, format, ...) are passed over.

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "base/regex.h"
#include "reward/budget.h"

namespace cohort::reward {

// Immutable after construction; Check may run on many threads.
class JsonSchema {
 public:
  // kUsage naming a keyword that is not supported, a $ref that leads nowhere or a bad pattern, with
  // its JSON pointer.
  explicit JsonSchema(nlohmann::json schema);

  enum class Validity { kValid, kInvalid, kTooMuchWork };
  struct Result {
    Validity outcome = Validity::kValid;
    std::string why;  // the first violation, with its place in `value`
  };
  // Work is bounded by the budget and by 1,000,000 keyword checks.
  Result Check(const nlohmann::json& value, const Budget& budget) const;

 private:
  friend class SchemaCheck;
  void Examine(const nlohmann::json& schema, const std::string& where, int depth);
  const nlohmann::json& Resolve(const std::string& reference) const;

  nlohmann::json schema_;
  std::map<std::string, base::Regex> patterns_;
};

}  // namespace cohort::reward
