#pragma once

// JSON Schema (json-schema.org): all of the validation vocabulary of draft 2020-12, and of 2019-09,
// draft-07 and draft-06 by $schema. `format` and the content keywords are annotations, as these
// drafts have them by default; unknown keywords are too, unless they are nearly a known one.

#include <nlohmann/json.hpp>
#include <string>

#include "reward/budget.h"
#include "reward/structured/schema_resources.h"

namespace cohort::reward {

// Immutable after construction; Check may run on many threads.
class JsonSchema {
 public:
  // Errors: as SchemaResources.
  explicit JsonSchema(nlohmann::json schema) : schema_(std::move(schema)), resources_(schema_) {}
  JsonSchema(const JsonSchema&) = delete;
  JsonSchema& operator=(const JsonSchema&) = delete;

  // kEndless: a reference of the schema leads back to itself. kTooMuchWork: the bounds were met.
  enum class Validity { kValid, kInvalid, kTooMuchWork, kEndless };
  struct Result {
    Validity outcome = Validity::kValid;
    std::string why;  // the first violation, with its place in `value`
  };
  // Work is bounded by the budget and by 1,000,000 keyword checks and as many as the value has
  // parts for each of the schema's; a pattern that takes too many steps does not match.
  Result Check(const nlohmann::json& value, const Budget& budget) const;

 private:
  const nlohmann::json schema_;
  const SchemaResources resources_;
};

}  // namespace cohort::reward
