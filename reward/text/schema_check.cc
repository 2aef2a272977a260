#include "reward/text/schema_check.h"

#include <algorithm>
#include <cmath>

#include "base/json_lines.h"
#include "base/utf8.h"

namespace cohort::reward {
namespace {

using nlohmann::json;

constexpr int64_t kMaxWork = 1'000'000;
constexpr int kMaxDepth = 300;  // values are at most 100 deep; the rest is $ref and anyOf

bool IsOfType(const json& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  // 1.0 is an integer since draft 6.
  return value.is_number_integer() ||
         (value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>());
}

std::string Short(const json& value) {
  const std::string text = base::DumpJson(value);
  return text.size() <= 40 ? text : text.substr(0, 40) + "...";
}

// True when the keyword is absent or `holds(its number)`.
template <class Condition>
bool Bound(const json& schema, const char* keyword, Condition holds) {
  const auto found = schema.find(keyword);
  return found == schema.end() || holds(found->get<double>());
}

bool SizeHolds(const json& schema, const char* min, const char* max, int64_t size) {
  const auto n = static_cast<double>(size);
  return Bound(schema, min, [&](double bound) { return n >= bound; }) &&
         Bound(schema, max, [&](double bound) { return n <= bound; });
}

bool IsMultiple(double value, double of) {
  const double ratio = value / of;  // 0.3 is a multiple of 0.1, although the doubles are not
  return std::abs(ratio - std::round(ratio)) <= 1e-9 * std::max(1.0, std::abs(ratio));
}

}  // namespace

bool SchemaCheck::Fail(const std::string& where, const std::string& what) {
  why_ = (where.empty() ? "the value" : where) + " " + what;
  return false;
}

bool SchemaCheck::Spend(int64_t work) {
  work_ += work;
  if (gave_up_ || work_ > kMaxWork || (work_ % 256 == 0 && budget_.Exhausted())) {
    gave_up_ = true;
    why_ = "checking takes too long";
  }
  return !gave_up_;
}

bool SchemaCheck::Holds(const json& schema, const json& value, const std::string& where,
                        int depth) {
  if (depth > kMaxDepth) {
    gave_up_ = true;
    return Fail(where, "is checked without end: a $ref leads back to itself");
  }
  if (!Spend(1)) return false;
  if (schema.is_boolean()) return schema.get<bool>() || Fail(where, "is not allowed");
  if (!HoldsTypeAndChoice(schema, value, where)) return false;
  if (value.is_number() && !HoldsNumber(schema, value, where)) return false;
  if (value.is_string() && !HoldsString(schema, value, where)) return false;
  if (value.is_array() && !HoldsArray(schema, value, where, depth)) return false;
  if (value.is_object() && !HoldsObject(schema, value, where, depth)) return false;
  return HoldsCombined(schema, value, where, depth);
}

bool SchemaCheck::HoldsTypeAndChoice(const json& schema, const json& value,
                                     const std::string& where) {
  if (const auto type = schema.find("type"); type != schema.end()) {
    const bool nullable = schema.value("nullable", json(false)) == true && value.is_null();
    const bool holds =
        nullable ||
        (type->is_string() ? IsOfType(value, *type)
                           : std::any_of(type->begin(), type->end(),
                                         [&](const json& one) { return IsOfType(value, one); }));
    if (!holds) return Fail(where, "is " + Short(value) + ", expected " + Short(*type));
  }
  if (const auto choice = schema.find("enum"); choice != schema.end()) {
    if (!Spend(static_cast<int64_t>(choice->size()))) return false;
    if (std::find(choice->begin(), choice->end(), value) == choice->end()) {
      return Fail(where, "is " + Short(value) + ", expected one of " + Short(*choice));
    }
  }
  const auto constant = schema.find("const");
  return constant == schema.end() || *constant == value ||
         Fail(where, "is " + Short(value) + ", expected " + Short(*constant));
}

bool SchemaCheck::HoldsNumber(const json& schema, const json& value, const std::string& where) {
  const double number = value.get<double>();
  const bool holds =
      Bound(schema, "minimum", [&](double bound) { return number >= bound; }) &&
      Bound(schema, "maximum", [&](double bound) { return number <= bound; }) &&
      Bound(schema, "exclusiveMinimum", [&](double bound) { return number > bound; }) &&
      Bound(schema, "exclusiveMaximum", [&](double bound) { return number < bound; }) &&
      Bound(schema, "multipleOf", [&](double of) { return IsMultiple(number, of); });
  return holds || Fail(where, "is " + Short(value) + ", outside the schema's bounds");
}

bool SchemaCheck::HoldsString(const json& schema, const json& value, const std::string& where) {
  const auto& text = value.get_ref<const std::string&>();
  if (!SizeHolds(schema, "minLength", "maxLength", base::CountCharacters(text))) {
    return Fail(where, "has a length outside the schema's bounds");
  }
  const auto pattern = schema.find("pattern");
  if (pattern == schema.end()) return true;
  const base::Regex& regex = schema_.patterns_.at(pattern->get<std::string>());
  switch (regex.SearchUntil(text, [&] { return budget_.Exhausted(); })) {
    case base::RegexOutcome::kMatch:
      return true;
    case base::RegexOutcome::kNoMatch:
      return Fail(where, "is " + Short(value) + ", which the pattern does not match");
    default:
      gave_up_ = true;
      return Fail(where, "takes the pattern too long");
  }
}

bool SchemaCheck::HoldsArray(const json& schema, const json& value, const std::string& where,
                             int depth) {
  if (!SizeHolds(schema, "minItems", "maxItems", static_cast<int64_t>(value.size()))) {
    return Fail(where, "has " + std::to_string(value.size()) + " items");
  }
  if (schema.value("uniqueItems", false)) {
    for (size_t i = 0; i < value.size(); ++i) {
      if (!Spend(static_cast<int64_t>(i))) return false;
      if (std::find(value.begin(), value.begin() + static_cast<int64_t>(i), value[i]) !=
          value.begin() + static_cast<int64_t>(i)) {
        return Fail(where, "has an item twice");
      }
    }
  }
  const auto prefix = schema.find("prefixItems"), items = schema.find("items");
  const size_t fixed = prefix == schema.end() ? 0 : prefix->size();
  for (size_t i = 0; i < value.size(); ++i) {
    const json* of = i < fixed ? &(*prefix)[i] : items == schema.end() ? nullptr : &*items;
    if (of != nullptr && !Holds(*of, value[i], where + "/" + std::to_string(i), depth + 1)) {
      return false;
    }
  }
  return true;
}

bool SchemaCheck::HoldsObject(const json& schema, const json& value, const std::string& where,
                              int depth) {
  if (!SizeHolds(schema, "minProperties", "maxProperties", static_cast<int64_t>(value.size()))) {
    return Fail(where, "has " + std::to_string(value.size()) + " properties");
  }
  if (const auto required = schema.find("required"); required != schema.end()) {
    for (const json& name : *required) {
      if (!value.contains(name.get<std::string>())) return Fail(where, "lacks " + Short(name));
    }
  }
  const auto properties = schema.find("properties"), rest = schema.find("additionalProperties");
  for (const auto& [name, member] : value.items()) {
    const json* of = rest == schema.end() ? nullptr : &*rest;
    if (properties != schema.end() && properties->contains(name)) of = &properties->at(name);
    if (of != nullptr && !Holds(*of, member, where + "/" + name, depth + 1)) return false;
  }
  return true;
}

bool SchemaCheck::HoldsCombined(const json& schema, const json& value, const std::string& where,
                                int depth) {
  const auto count = [&](const json& schemas) {
    int64_t holding = 0;
    for (const json& one : schemas) holding += Holds(one, value, where, depth + 1) ? 1 : 0;
    return gave_up_ ? -1 : holding;
  };
  if (const auto all = schema.find("allOf"); all != schema.end()) {
    for (const json& one : *all) {
      if (!Holds(one, value, where, depth + 1)) return false;
    }
  }
  if (const auto any = schema.find("anyOf"); any != schema.end() && count(*any) < 1) {
    return gave_up_ ? false : Fail(where, "fits none of anyOf");
  }
  if (const auto one = schema.find("oneOf"); one != schema.end() && count(*one) != 1) {
    return gave_up_ ? false : Fail(where, "does not fit exactly one of oneOf");
  }
  if (const auto no = schema.find("not"); no != schema.end()) {
    if (Holds(*no, value, where, depth + 1)) return Fail(where, "fits what it must not");
    if (gave_up_) return false;
  }
  const auto reference = schema.find("$ref");
  return reference == schema.end() ||
         Holds(schema_.Resolve(reference->get<std::string>()), value, where, depth + 1);
}

}  // namespace cohort::reward
