#pragma once

// One value held against a schema: the walk over both.

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reward/budget.h"
#include "reward/structured/schema_resources.h"

namespace cohort::reward {

// The members and items of a value that some keyword looked at, for unevaluatedProperties and
// unevaluatedItems.
struct EvaluatedParts {
  std::set<std::string_view> names;
  std::set<size_t> items;
  size_t first_items = 0;  // all items before this one
  void Add(const EvaluatedParts& more);
};

class SchemaCheck {
 public:
  SchemaCheck(const SchemaResources& resources, const Budget& budget)
      : resources_(resources), budget_(budget) {}

  // After false, why() says what is wrong, or gave_up() or is_endless() that it is not known.
  bool Holds(const nlohmann::json& schema, const nlohmann::json& value);
  bool gave_up() const { return gave_up_; }
  bool is_endless() const { return is_endless_; }
  const std::string& why() const { return why_; }

 private:
  using Json = nlohmann::json;
  // A value, its JSON pointer, and how deep the walk is.
  struct Spot {
    const Json& value;
    const std::string& where;
    int depth;
  };
  // `seen` gains the parts that the schema looked at; null where nobody asks.
  bool Holds(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsKeywords(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsPart(const Json& schema, const Spot& spot, const Json& part, const std::string& name);
  bool Fail(const Spot& spot, const std::string& what);
  bool Spend(int64_t work);
  bool Matches(const std::string& pattern, const std::string& text);
  bool IsTypeOf(const Json& schema, const Json& value) const;
  bool HoldsTypeAndChoice(const Json& schema, const Spot& spot);
  bool HoldsNumber(const Json& schema, const Spot& spot);
  bool HoldsString(const Json& schema, const Spot& spot);
  bool HoldsUnique(const Spot& spot);
  bool HoldsArray(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsItems(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsContains(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsObject(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsMembers(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsDependent(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsCombined(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsConditional(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsReferences(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  bool HoldsUnevaluated(const Json& schema, const Spot& spot, EvaluatedParts* seen);
  SchemaDialect dialect() const { return scope_.back()->dialect; }

  const SchemaResources& resources_;
  const Budget& budget_;
  std::vector<const SchemaResource*> scope_;  // entered and not left
  std::set<std::pair<const Json*, const Json*>>
      followed_;  // references under way, and their values
  int64_t work_ = 0;
  int64_t max_work_ = 0;
  bool gave_up_ = false;
  bool is_endless_ = false;
  std::string why_;
};

}  // namespace cohort::reward
