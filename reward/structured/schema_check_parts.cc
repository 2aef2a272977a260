// SchemaCheck's keywords about the members of an object and the items of an array.

#include <algorithm>

#include "base/json_lines.h"
#include "reward/structured/json_order.h"
#include "reward/structured/schema_check.h"

namespace cohort::reward {
namespace {

using nlohmann::json;

bool CountHolds(const json& schema, const char* min, const char* max, size_t count) {
  const auto least = schema.find(min), most = schema.find(max);
  return (least == schema.end() || CompareJson(json(count), *least) >= 0) &&
         (most == schema.end() || CompareJson(json(count), *most) <= 0);
}

}  // namespace

bool SchemaCheck::HoldsUnique(const Spot& spot) {
  std::vector<const json*> items;
  for (const json& item : spot.value) items.push_back(&item);
  if (!Spend(static_cast<int64_t>(items.size()))) return false;
  std::sort(items.begin(), items.end(),
            [](const json* a, const json* b) { return CompareJson(*a, *b) < 0; });
  const auto twice =
      std::adjacent_find(items.begin(), items.end(),
                         [](const json* a, const json* b) { return CompareJson(*a, *b) == 0; });
  return twice == items.end() || Fail(spot, "has an item twice");
}

bool SchemaCheck::HoldsArray(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  if (!CountHolds(schema, "minItems", "maxItems", spot.value.size())) {
    return Fail(spot, "has " + std::to_string(spot.value.size()) + " items");
  }
  if (schema.value("uniqueItems", false) && !HoldsUnique(spot)) return false;
  return HoldsItems(schema, spot, seen) && HoldsContains(schema, spot, seen);
}

bool SchemaCheck::HoldsItems(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  const json& value = spot.value;
  const bool is_2020 = dialect() == SchemaDialect::kDraft2020;
  const auto items = schema.find("items");
  const auto prefix = is_2020 ? schema.find("prefixItems") : items;
  const bool has_prefix = prefix != schema.end() && prefix->is_array();
  const auto rest = is_2020 || !has_prefix ? items : schema.find("additionalItems");
  const size_t fixed = has_prefix ? prefix->size() : 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const json* const of = i < fixed ? &(*prefix)[i] : (rest == schema.end() ? nullptr : &*rest);
    if (of == nullptr) break;
    if (!HoldsPart(*of, spot, value[i], std::to_string(i))) return false;
  }
  if (seen != nullptr) {
    seen->first_items = std::max(
        seen->first_items, rest == schema.end() ? std::min(fixed, value.size()) : value.size());
  }
  return true;
}

bool SchemaCheck::HoldsContains(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  const auto contains = schema.find("contains");
  if (contains == schema.end()) return true;
  size_t found = 0;
  for (size_t i = 0; i < spot.value.size(); ++i) {
    if (!HoldsPart(*contains, spot, spot.value[i], std::to_string(i))) continue;
    ++found;
    if (seen != nullptr && dialect() == SchemaDialect::kDraft2020) seen->items.insert(i);
  }
  if (gave_up_ || is_endless_) return false;
  const bool counts = dialect() >= SchemaDialect::kDraft2019;
  const bool least = counts && schema.contains("minContains")
                         ? CompareJson(json(found), schema.at("minContains")) >= 0
                         : found >= 1;
  const bool most = !counts || !schema.contains("maxContains") ||
                    CompareJson(json(found), schema.at("maxContains")) <= 0;
  return (least && most) || Fail(spot, "has " + std::to_string(found) + " items of `contains`");
}

bool SchemaCheck::HoldsObject(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  const json& value = spot.value;
  if (!CountHolds(schema, "minProperties", "maxProperties", value.size())) {
    return Fail(spot, "has " + std::to_string(value.size()) + " properties");
  }
  if (const auto required = schema.find("required"); required != schema.end()) {
    for (const json& name : *required) {
      if (!value.contains(name.get<std::string>())) {
        return Fail(spot, "lacks " + base::DumpJson(name));
      }
    }
  }
  if (const auto names = schema.find("propertyNames"); names != schema.end()) {
    for (const auto& [name, member] : value.items()) {
      if (!HoldsPart(*names, spot, json(name), name)) return false;
    }
  }
  return HoldsMembers(schema, spot, seen) && HoldsDependent(schema, spot, seen);
}

bool SchemaCheck::HoldsMembers(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  const auto properties = schema.find("properties"), patterns = schema.find("patternProperties"),
             rest = schema.find("additionalProperties");
  for (const auto& [name, member] : spot.value.items()) {
    bool known = false;
    if (properties != schema.end() && properties->contains(name)) {
      known = true;
      if (!HoldsPart(properties->at(name), spot, member, name)) return false;
    }
    if (patterns != schema.end()) {
      for (const auto& [pattern, of] : patterns->items()) {
        if (!Spend(1)) return false;
        if (!Matches(pattern, name)) continue;
        known = true;
        if (!HoldsPart(of, spot, member, name)) return false;
      }
    }
    if (!known && rest != schema.end()) {
      known = true;
      if (!HoldsPart(*rest, spot, member, name)) return false;
    }
    if (known && seen != nullptr) seen->names.insert(name);
  }
  return true;
}

bool SchemaCheck::HoldsDependent(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  const Spot deeper = {spot.value, spot.where, spot.depth + 1};
  for (const char* const keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    const auto dependencies = schema.find(keyword);
    if (dependencies == schema.end() || FindKeyword(keyword, dialect()) == nullptr) continue;
    for (const auto& [name, wanted] : dependencies->items()) {
      if (!spot.value.contains(name)) continue;
      if (!wanted.is_array()) {
        if (!Holds(wanted, deeper, seen)) return false;
        continue;
      }
      for (const json& other : wanted) {
        if (!spot.value.contains(other.get<std::string>())) {
          return Fail(spot, "has " + name + ", but lacks " + base::DumpJson(other));
        }
      }
    }
  }
  return true;
}

bool SchemaCheck::HoldsUnevaluated(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  if (seen == nullptr || dialect() < SchemaDialect::kDraft2019) return true;
  const auto members = schema.find("unevaluatedProperties");
  if (members != schema.end() && spot.value.is_object()) {
    for (const auto& [name, member] : spot.value.items()) {
      if (seen->names.contains(name)) continue;
      if (!HoldsPart(*members, spot, member, name)) return false;
      seen->names.insert(name);
    }
  }
  const auto items = schema.find("unevaluatedItems");
  if (items != schema.end() && spot.value.is_array()) {
    for (size_t i = seen->first_items; i < spot.value.size(); ++i) {
      if (seen->items.contains(i)) continue;
      if (!HoldsPart(*items, spot, spot.value[i], std::to_string(i))) return false;
    }
    seen->first_items = spot.value.size();
  }
  return true;
}

}  // namespace cohort::reward
