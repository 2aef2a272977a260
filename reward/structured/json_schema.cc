#include "reward/structured/json_schema.h"

#include "reward/structured/schema_check.h"

namespace cohort::reward {

JsonSchema::Result JsonSchema::Check(const nlohmann::json& value, const Budget& budget) const {
  SchemaCheck check(resources_, budget);
  if (check.Holds(schema_, value)) return {};
  if (check.is_endless()) return {Validity::kEndless, check.why()};
  return {check.gave_up() ? Validity::kTooMuchWork : Validity::kInvalid, check.why()};
}

}  // namespace cohort::reward
