#include "policy/chat/jinja/tests.h"

#include <map>
#include <string>

#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {
namespace {

using Values = std::vector<Value>;

const Value& Other(const Values& arguments) {
  if (arguments.size() != 1) throw TemplateError{"a test needs one argument here"};
  return arguments[0];
}

bool IsIterable(const Value& value) {
  return value.AsString() != nullptr || value.AsList() != nullptr || value.AsDict() != nullptr ||
         value.IsUndefined();
}

bool IsMapping(const Value& value) {
  return value.AsDict() != nullptr && !value.AsDict()->is_namespace;
}

bool IsOdd(const Value& value) { return value.ToInteger() % 2 != 0; }

bool DivisibleBy(const Value& value, const Values& arguments) {
  const int64_t divisor = Other(arguments).ToInteger();
  if (divisor == 0) throw TemplateError{"division by zero"};
  return divisor == -1 || value.ToInteger() % divisor == 0;
}

bool IsTruth(const Value& value, bool truth) { return value.IsBool() && value.Truth() == truth; }

const std::map<std::string_view, Test>& Tests() {
  static const Test equal = [](const Value& v, const Values& a) { return Equal(v, Other(a)); };
  static const Test unequal = [](const Value& v, const Values& a) { return !Equal(v, Other(a)); };
  static const Test less = [](const Value& v, const Values& a) { return Compare(v, Other(a)) < 0; };
  static const Test most = [](const Value& v, const Values& a) {
    return Compare(v, Other(a)) <= 0;
  };
  static const Test more = [](const Value& v, const Values& a) { return Compare(v, Other(a)) > 0; };
  static const Test least = [](const Value& v, const Values& a) {
    return Compare(v, Other(a)) >= 0;
  };
  static const std::map<std::string_view, Test> tests = {
      {"defined", [](const Value& v, const Values&) { return !v.IsUndefined(); }},
      {"undefined", [](const Value& v, const Values&) { return v.IsUndefined(); }},
      {"none", [](const Value& v, const Values&) { return v.IsNone(); }},
      {"boolean", [](const Value& v, const Values&) { return v.IsBool(); }},
      {"true", [](const Value& v, const Values&) { return IsTruth(v, true); }},
      {"false", [](const Value& v, const Values&) { return IsTruth(v, false); }},
      {"integer", [](const Value& v, const Values&) { return v.IsInteger(); }},
      {"float", [](const Value& v, const Values&) { return v.IsFloat(); }},
      {"number", [](const Value& v, const Values&) { return v.IsNumber(); }},
      {"string", [](const Value& v, const Values&) { return v.AsString() != nullptr; }},
      {"mapping", [](const Value& v, const Values&) { return IsMapping(v); }},
      {"sequence", [](const Value& v, const Values&) { return IsIterable(v) && !v.IsGenerator(); }},
      {"iterable", [](const Value& v, const Values&) { return IsIterable(v); }},
      {"callable", [](const Value& v, const Values&) { return v.AsCallable() != nullptr; }},
      {"odd", [](const Value& v, const Values&) { return IsOdd(v); }},
      {"even", [](const Value& v, const Values&) { return !IsOdd(v); }},
      {"divisibleby", DivisibleBy},
      {"in", [](const Value& v, const Values& a) { return Contains(Other(a), v); }},
      {"sameas",
       [](const Value& v, const Values& a) {
         return v.data.index() == Other(a).data.index() && Equal(v, Other(a));
       }},
      {"lower",
       [](const Value& v, const Values&) {
         const std::string text = ToText(v);
         return PythonLower(text) == text && PythonUpper(text) != text;
       }},
      {"upper",
       [](const Value& v, const Values&) {
         const std::string text = ToText(v);
         return PythonUpper(text) == text && PythonLower(text) != text;
       }},
      {"eq", equal},
      {"equalto", equal},
      {"==", equal},
      {"ne", unequal},
      {"!=", unequal},
      {"lt", less},
      {"<", less},
      {"lessthan", less},
      {"le", most},
      {"<=", most},
      {"gt", more},
      {">", more},
      {"ge", least},
      {"greaterthan", more},
      {">=", least},
  };
  return tests;
}

}  // namespace

Test FindTest(std::string_view name) {
  const auto found = Tests().find(name);
  return found == Tests().end() ? nullptr : found->second;
}

}  // namespace cohort::policy::jinja
