#pragma once

// One value held against a JsonSchema: the walk over both.

#include "reward/text/json_schema.h"

namespace cohort::reward {

class SchemaCheck {
 public:
  SchemaCheck(const JsonSchema& schema, const Budget& budget) : schema_(schema), budget_(budget) {}

  // `where` is the value's JSON pointer. After false, why() says what is wrong, or gave_up() that
  // it is not known.
  bool Holds(const nlohmann::json& schema, const nlohmann::json& value, const std::string& where,
             int depth);
  bool gave_up() const { return gave_up_; }
  const std::string& why() const { return why_; }

 private:
  using Json = nlohmann::json;
  bool Fail(const std::string& where, const std::string& what);
  bool Spend(int64_t work);
  bool HoldsTypeAndChoice(const Json& schema, const Json& value, const std::string& where);
  bool HoldsNumber(const Json& schema, const Json& value, const std::string& where);
  bool HoldsString(const Json& schema, const Json& value, const std::string& where);
  bool HoldsArray(const Json& schema, const Json& value, const std::string& where, int depth);
  bool HoldsObject(const Json& schema, const Json& value, const std::string& where, int depth);
  bool HoldsCombined(const Json& schema, const Json& value, const std::string& where, int depth);

  const JsonSchema& schema_;
  const Budget& budget_;
  int64_t work_ = 0;
  bool gave_up_ = false;
  std::string why_;
};

}  // namespace cohort::reward
