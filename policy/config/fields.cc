#include "policy/config/fields.h"

#include <cmath>

#include "base/error.h"
#include "base/json_lines.h"

namespace cohort::policy {

using nlohmann::json;

void ConfigFields::Refuse(const std::string& key, const std::string& found,
                          const std::string& expected) const {
  throw Error(ErrorCode::kUsage,
              file_ + ": " + prefix_ + key + " is " + found + ", expected " + expected);
}

int64_t ConfigFields::Int(const char* key, int64_t low, int64_t high) const {
  const std::string range =
      "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  if (!Has(key)) Refuse(key, "missing", range);
  const json& value = At(key);
  if (!value.is_number_integer()) Refuse(key, base::DumpJson(value), range);
  // A value above int64 wraps to a negative one in get<int64_t>: out of every range used here.
  const int64_t number = value.get<int64_t>();
  if (number < low || number > high) Refuse(key, base::DumpJson(value), range);
  return number;
}

double ConfigFields::Positive(const char* key) const {
  if (!Has(key)) Refuse(key, "missing", "a positive number");
  const json& value = At(key);
  const double number = value.is_number() ? value.get<double>() : -1.0;
  if (!(number > 0) || !std::isfinite(number)) {
    Refuse(key, base::DumpJson(value), "a positive number");
  }
  return number;
}

bool ConfigFields::BoolOr(const char* key, bool fallback) const {
  if (!Has(key)) return fallback;
  if (!At(key).is_boolean()) Refuse(key, base::DumpJson(At(key)), "true or false");
  return At(key).get<bool>();
}

void ConfigFields::Only(const char* key, const json& supported, const json& absent) const {
  const json& found = Has(key) ? At(key) : absent;
  if (found == supported) return;
  throw Error(ErrorCode::kUsage,
              file_ + ": " + prefix_ + key + " is " + base::DumpJson(found) +
                  (Has(key) ? "" : " (by default)") + ", and only " + base::DumpJson(supported) +
                  " is supported",
              "this field changes the mathematics of the model, so it is not ignored");
}

void ConfigFields::OnlyAbsent(const char* key) const {
  if (Has(key) && !At(key).empty()) Only(key, nullptr, nullptr);
}

}  // namespace cohort::policy
