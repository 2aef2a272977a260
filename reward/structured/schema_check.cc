#include "reward/structured/schema_check.h"

#include <algorithm>

#include "base/json_lines.h"
#include "base/utf8.h"
#include "reward/structured/json_order.h"

namespace cohort::reward {
namespace {

using nlohmann::json;

constexpr int64_t kMaxWork = 1'000'000, kWorkOfAPart = 200;
constexpr int kMaxDepth = 2000;  // values are at most 100 deep; the rest is $ref and anyOf

std::string Short(const json& value) {
  const std::string text = base::DumpJson(value);
  return text.size() <= 40 ? text : text.substr(0, 40) + "...";
}

int64_t CountParts(const json& value) {
  int64_t parts = 1;
  if (value.is_structured()) {
    for (const json& part : value) parts += CountParts(part);
  }
  return parts;
}

// True when the keyword is absent or the order of `value` and its number is as wanted.
template <class Condition>
bool Bound(const json& schema, const char* keyword, const json& value, Condition holds) {
  const auto found = schema.find(keyword);
  return found == schema.end() || holds(CompareJson(value, *found));
}

bool SizeHolds(const json& schema, const char* min, const char* max, size_t size) {
  const json count = size;
  return Bound(schema, min, count, [](int order) { return order >= 0; }) &&
         Bound(schema, max, count, [](int order) { return order <= 0; });
}

}  // namespace

void EvaluatedParts::Add(const EvaluatedParts& more) {
  names.insert(more.names.begin(), more.names.end());
  items.insert(more.items.begin(), more.items.end());
  first_items = std::max(first_items, more.first_items);
}

bool SchemaCheck::Fail(const Spot& spot, const std::string& what) {
  why_ = (spot.where.empty() ? "the value" : spot.where) + " " + what;
  return false;
}

bool SchemaCheck::Spend(int64_t work) {
  work_ += work;
  if (gave_up_ || work_ > max_work_ || (work_ % 256 == 0 && budget_.Exhausted())) {
    gave_up_ = true;
    why_ = "checking takes too long";
  }
  return !gave_up_;
}

bool SchemaCheck::Holds(const json& schema, const json& value) {
  max_work_ = kMaxWork + kWorkOfAPart * CountParts(value);
  EvaluatedParts seen;
  return Holds(schema, {value, "", 0}, resources_.has_unevaluated() ? &seen : nullptr);
}

bool SchemaCheck::Holds(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  if (is_endless_ || spot.depth > kMaxDepth) {
    is_endless_ = true;
    return Fail(spot, "is checked without end: a $ref leads back to itself");
  }
  if (!Spend(1)) return false;
  if (schema.is_boolean()) return schema.get<bool>() || Fail(spot, "is not allowed");
  const SchemaResource& resource = resources_.Of(schema);
  const bool enters = scope_.empty() || scope_.back() != &resource;
  if (enters) scope_.push_back(&resource);
  EvaluatedParts own;
  const bool holds = HoldsKeywords(schema, spot, seen == nullptr ? nullptr : &own);
  if (enters) scope_.pop_back();
  if (holds && seen != nullptr) seen->Add(own);
  return holds;
}

bool SchemaCheck::HoldsKeywords(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  if (dialect() <= SchemaDialect::kDraft07 && schema.contains("$ref")) {
    return HoldsReferences(schema, spot, seen);
  }
  if (!HoldsTypeAndChoice(schema, spot)) return false;
  if (IsNumber(spot.value) && !HoldsNumber(schema, spot)) return false;
  if (spot.value.is_string() && !HoldsString(schema, spot)) return false;
  if (spot.value.is_array() && !HoldsArray(schema, spot, seen)) return false;
  if (spot.value.is_object() && !HoldsObject(schema, spot, seen)) return false;
  return HoldsReferences(schema, spot, seen) && HoldsCombined(schema, spot, seen) &&
         HoldsConditional(schema, spot, seen) && HoldsUnevaluated(schema, spot, seen);
}

// A member or an item; what its schema looks at is its own.
bool SchemaCheck::HoldsPart(const json& schema, const Spot& spot, const json& part,
                            const std::string& name) {
  EvaluatedParts of_part;
  const std::string where = spot.where + "/" + name;
  return Holds(schema, {part, where, spot.depth + 1},
               resources_.has_unevaluated() ? &of_part : nullptr);
}

bool SchemaCheck::IsTypeOf(const json& schema, const json& value) const {
  const std::string type = schema;
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "number") return IsNumber(value);
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return IsNumber(value) && IsInteger(value);
}

bool SchemaCheck::HoldsTypeAndChoice(const json& schema, const Spot& spot) {
  const json& value = spot.value;
  if (const auto type = schema.find("type"); type != schema.end()) {
    const bool nullable = schema.value("nullable", json(false)) == true && value.is_null();
    const auto is = [&](const json& one) { return IsTypeOf(one, value); };
    const bool holds =
        nullable || (type->is_string() ? is(*type) : std::any_of(type->begin(), type->end(), is));
    if (!holds) return Fail(spot, "is " + Short(value) + ", expected " + Short(*type));
  }
  if (const auto choice = schema.find("enum"); choice != schema.end()) {
    if (!Spend(static_cast<int64_t>(choice->size()))) return false;
    const auto same = [&](const json& one) { return CompareJson(one, value) == 0; };
    if (std::none_of(choice->begin(), choice->end(), same)) {
      return Fail(spot, "is " + Short(value) + ", expected one of " + Short(*choice));
    }
  }
  const auto constant = schema.find("const");
  return constant == schema.end() || CompareJson(*constant, value) == 0 ||
         Fail(spot, "is " + Short(value) + ", expected " + Short(*constant));
}

bool SchemaCheck::HoldsNumber(const json& schema, const Spot& spot) {
  const json& value = spot.value;
  const bool holds =
      Bound(schema, "minimum", value, [](int order) { return order >= 0; }) &&
      Bound(schema, "maximum", value, [](int order) { return order <= 0; }) &&
      Bound(schema, "exclusiveMinimum", value, [](int order) { return order > 0; }) &&
      Bound(schema, "exclusiveMaximum", value, [](int order) { return order < 0; });
  const auto multiple = schema.find("multipleOf");
  return (holds && (multiple == schema.end() || IsMultipleOf(value, *multiple))) ||
         Fail(spot, "is " + Short(value) + ", outside the schema's bounds");
}

bool SchemaCheck::Matches(const std::string& pattern, const std::string& text) {
  const base::Regex& regex = resources_.Pattern(pattern);
  return regex.SearchUntil(text, [&] { return budget_.Exhausted(); }) == base::RegexOutcome::kMatch;
}

bool SchemaCheck::HoldsString(const json& schema, const Spot& spot) {
  const auto& text = spot.value.get_ref<const std::string&>();
  if (!SizeHolds(schema, "minLength", "maxLength",
                 static_cast<size_t>(base::CountCharacters(text)))) {
    return Fail(spot, "has a length outside the schema's bounds");
  }
  const auto pattern = schema.find("pattern");
  return pattern == schema.end() || Matches(*pattern, text) ||
         Fail(spot, "is " + Short(spot.value) + ", which the pattern does not match");
}

bool SchemaCheck::HoldsCombined(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  const Spot deeper = {spot.value, spot.where, spot.depth + 1};
  if (const auto all = schema.find("allOf"); all != schema.end()) {
    for (const json& one : *all) {
      if (!Holds(one, deeper, seen)) return false;
    }
  }
  // Whoever asks which parts were looked at asks every schema that holds.
  const auto count = [&](const json& schemas, size_t enough) {
    size_t holding = 0;
    for (const json& one : schemas) {
      holding += Holds(one, deeper, seen) ? 1 : 0;
      if (holding >= enough && seen == nullptr) break;
    }
    return holding;
  };
  if (const auto any = schema.find("anyOf"); any != schema.end() && count(*any, 1) < 1) {
    return gave_up_ || is_endless_ ? false : Fail(spot, "fits none of anyOf");
  }
  if (const auto one = schema.find("oneOf"); one != schema.end() && count(*one, 2) != 1) {
    return gave_up_ || is_endless_ ? false : Fail(spot, "does not fit exactly one of oneOf");
  }
  const auto no = schema.find("not");
  EvaluatedParts dropped;
  if (no != schema.end() && Holds(*no, deeper, seen == nullptr ? nullptr : &dropped)) {
    return Fail(spot, "fits what it must not");
  }
  return !gave_up_ && !is_endless_;
}

bool SchemaCheck::HoldsConditional(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  const auto condition = schema.find("if");
  if (dialect() < SchemaDialect::kDraft07 || condition == schema.end()) return true;
  const Spot deeper = {spot.value, spot.where, spot.depth + 1};
  const bool holds = Holds(*condition, deeper, seen);
  if (gave_up_ || is_endless_) return false;
  const auto then = schema.find(holds ? "then" : "else");
  return then == schema.end() || Holds(*then, deeper, seen);
}

bool SchemaCheck::HoldsReferences(const json& schema, const Spot& spot, EvaluatedParts* seen) {
  for (const char* const keyword : {"$ref", "$dynamicRef", "$recursiveRef"}) {
    if (!schema.contains(keyword) || FindKeyword(keyword, dialect()) == nullptr) continue;
    const SchemaReference& reference = resources_.ReferenceOf(schema, keyword);
    const json* target = reference.target;
    for (const SchemaResource* const entered : scope_) {
      if (!reference.is_dynamic) break;
      const auto outer = entered->dynamic_anchors.find(reference.dynamic_anchor);
      if (outer == entered->dynamic_anchors.end()) continue;
      target = outer->second;
      break;
    }
    const auto [step, fresh] = followed_.emplace(target, &spot.value);
    is_endless_ |= !fresh;
    const bool holds = Holds(*target, {spot.value, spot.where, spot.depth + 1}, seen);
    if (fresh) followed_.erase(step);
    if (!holds) return false;
  }
  return true;
}

}  // namespace cohort::reward
