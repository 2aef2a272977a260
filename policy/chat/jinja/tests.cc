#include "policy/chat/jinja/tests.h"

#include <cmath>
#include <map>
#include <string>

#include "policy/chat/jinja/big_integer.h"
#include "policy/chat/jinja/known_names.h"
#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {
namespace {

using Values = std::vector<Value>;

const Value& Other(const Values& arguments) {
  if (arguments.size() != 1) throw TemplateError{"a test needs one argument here"};
  return arguments[0];
}

bool IsMapping(const Value& value) {
  return value.AsDict() != nullptr && !value.AsDict()->is_namespace;
}

double FloatOf(const Value& value) {
  if (!value.IsNumber()) {
    throw TemplateError{std::string("this test needs a number, not '") + value.TypeName() + "'"};
  }
  return value.ToDouble();
}

bool IsSequence(const Value& value) {
  const List* list = value.AsList();
  if (list != nullptr) return !value.IsGenerator() && (list->view.empty() || list->IsRange());
  return value.AsString() != nullptr || IsMapping(value) || value.IsUndefined();
}

bool IsIterable(const Value& value) {
  return value.AsString() != nullptr || value.AsList() != nullptr || value.AsDict() != nullptr ||
         value.IsUndefined();
}

bool IsOdd(const Value& value) {
  if (!value.IsNumber() || value.IsFloat()) return std::fmod(FloatOf(value), 2.0) == 1.0;
  return !Equal(IntegerArithmetic("%", value, int64_t{2}), int64_t{0});
}

bool IsEven(const Value& value) {
  if (!value.IsNumber() || value.IsFloat()) return std::fmod(FloatOf(value), 2.0) == 0.0;
  return !IsOdd(value);
}

bool DivisibleBy(const Value& value, const Values& arguments) {
  const Value& divisor = Other(arguments);
  if (value.IsFloat() || divisor.IsFloat()) {
    if (FloatOf(divisor) == 0) throw TemplateError{"division by zero"};
    return std::fmod(FloatOf(value), FloatOf(divisor)) == 0;
  }
  return Equal(IntegerArithmetic("%", value, divisor), int64_t{0});
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
      {"integer", [](const Value& v, const Values&) { return v.IsInteger() || v.IsBig(); }},
      {"float", [](const Value& v, const Values&) { return v.IsFloat(); }},
      {"number", [](const Value& v, const Values&) { return v.IsNumber(); }},
      {"string", [](const Value& v, const Values&) { return v.AsString() != nullptr; }},
      {"mapping", [](const Value& v, const Values&) { return IsMapping(v); }},
      {"sequence", [](const Value& v, const Values&) { return IsSequence(v); }},
      {"iterable", [](const Value& v, const Values&) { return IsIterable(v); }},
      {"callable",
       [](const Value& v, const Values&) {
         return v.AsCallable() != nullptr || v.AsLoop() != nullptr || v.IsUndefined();
       }},
      {"odd", [](const Value& v, const Values&) { return IsOdd(v); }},
      {"even", [](const Value& v, const Values&) { return IsEven(v); }},
      {"escaped", [](const Value& v, const Values&) { return v.is_markup; }},
      {"filter",
       [](const Value& v, const Values&) {
         return v.AsString() != nullptr && IsFilterOfJinja(*v.AsString());
       }},
      {"test",
       [](const Value& v, const Values&) {
         return v.AsString() != nullptr && FindTest(*v.AsString()) != nullptr;
       }},
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
