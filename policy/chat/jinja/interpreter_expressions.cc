// Expressions of a template.

#include "policy/chat/jinja/filters.h"
#include "policy/chat/jinja/interpreter.h"
#include "policy/chat/jinja/known_names.h"
#include "policy/chat/jinja/loop.h"
#include "policy/chat/jinja/methods.h"
#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/tests.h"

namespace cohort::policy::jinja {

Value Interpreter::Lookup(const std::string& name, const ScopePtr& scope) {
  for (const Scope* at = scope.get(); at != nullptr; at = at->outer.get()) {
    const auto found = at->variables.find(name);
    if (found != at->variables.end()) return found->second;
  }
  return Undefined{name};
}

Value Interpreter::Evaluate(const Expression& expression, const ScopePtr& scope) {
  const DepthGuard guard(this);
  Step();
  line_ = expression.line;
  return EvaluateInner(expression, scope);
}

Value Interpreter::EvaluateInner(const Expression& expression, const ScopePtr& scope) {
  const auto operand = [&](size_t i) { return Evaluate(*expression.operands[i], scope); };
  switch (expression.kind) {
    case ExpressionKind::kConstant:
      return expression.constant;
    case ExpressionKind::kName:
      return Lookup(expression.name, scope);
    case ExpressionKind::kList:
    case ExpressionKind::kTuple:
      return EvaluateList(expression, scope);
    case ExpressionKind::kDict:
      return EvaluateDict(expression, scope);
    case ExpressionKind::kAttribute:
      return Attribute(operand(0), expression.name);
    case ExpressionKind::kItem: {
      const Value container = operand(0), key = operand(1);
      const Value item = Item(container, key);
      // Jinja's foo['bar'] falls back on the attribute.
      if (!item.IsUndefined() || key.AsString() == nullptr) return item;
      return Attribute(container, *key.AsString());
    }
    case ExpressionKind::kSlice:
      return EvaluateSlice(expression, scope);
    case ExpressionKind::kCall: {
      const Value callee = operand(0);
      return Call(callee, EvaluateArguments(expression, scope));
    }
    case ExpressionKind::kFilter:
      return ApplyFilters(expression, Value(), scope);
    case ExpressionKind::kTest: {
      const Value value = operand(0);
      const Arguments arguments = EvaluateArguments(expression, scope);
      const Test test = FindTest(expression.name);
      if (!arguments.keywords.empty()) {
        throw TemplateError{"named arguments of a test are not supported"};
      }
      if (test == nullptr) throw TemplateError{"test '" + expression.name + "' is not known"};
      return test(value, arguments.positional);
    }
    case ExpressionKind::kUnary: {
      const Value value = operand(0);
      if (expression.name == "not") return !value.Truth();
      if (!value.IsNumber()) {
        throw TemplateError{"'" + expression.name + "' does not work on '" + value.TypeName() +
                            "'"};
      }
      return expression.name == "-" ? Negate(value) : value;
    }
    case ExpressionKind::kBinary:
      if (expression.name == "and" || expression.name == "or") {
        return EvaluateLogic(expression, scope);
      } else {
        const Value left = operand(0), right = operand(1);
        return Binary(*this, expression.name, left, right);
      }
    case ExpressionKind::kCompare:
      return EvaluateCompare(expression, scope);
    case ExpressionKind::kConditional:
      if (operand(1).Truth()) return operand(0);
      if (expression.operands[2] == nullptr) return Undefined{"the missing else"};
      return operand(2);
  }
  return Value();
}

Value Interpreter::EvaluateLogic(const Expression& expression, const ScopePtr& scope) {
  const Value left = Evaluate(*expression.operands[0], scope);
  const bool decided = left.Truth() == (expression.name == "or");
  return decided ? left : Evaluate(*expression.operands[1], scope);
}

Value Interpreter::EvaluateCompare(const Expression& expression, const ScopePtr& scope) {
  Value left = Evaluate(*expression.operands[0], scope);
  for (size_t i = 0; i < expression.names.size(); ++i) {
    const std::string& op = expression.names[i];
    Value right = Evaluate(*expression.operands[i + 1], scope);
    bool holds = false;
    if (op == "==" || op == "!=") {
      holds = Equal(left, right) == (op == "==");
    } else if (op == "in" || op == "not in") {
      holds = Contains(right, left) == (op == "in");
    } else {
      const int order = Compare(left, right);
      holds = op == "<" ? order < 0 : op == "<=" ? order <= 0 : op == ">" ? order > 0 : order >= 0;
    }
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::EvaluateSlice(const Expression& expression, const ScopePtr& scope) {
  const Value value = Evaluate(*expression.operands[0], scope);
  Value parts[3];
  const Value* given[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    if (expression.operands[i + 1] == nullptr) continue;
    parts[i] = Evaluate(*expression.operands[i + 1], scope);
    given[i] = &parts[i];
  }
  return Slice(*this, value, given[0], given[1], given[2]);
}

Value Interpreter::EvaluateList(const Expression& expression, const ScopePtr& scope) {
  List list{{}, expression.kind == ExpressionKind::kTuple};
  for (const ExpressionPtr& item : expression.operands)
    list.items.push_back(Evaluate(*item, scope));
  Charge(list.items.size() * sizeof(Value));
  return list;
}

Value Interpreter::EvaluateDict(const Expression& expression, const ScopePtr& scope) {
  Dict dict;
  for (size_t i = 0; i + 1 < expression.operands.size(); i += 2) {
    const Value key = Evaluate(*expression.operands[i], scope);
    dict.Set(key, Evaluate(*expression.operands[i + 1], scope));
  }
  return dict;
}

Arguments Interpreter::EvaluateArguments(const Expression& call, const ScopePtr& scope) {
  Arguments arguments;
  for (size_t i = 1; i < call.operands.size(); ++i) {
    arguments.positional.push_back(Evaluate(*call.operands[i], scope));
  }
  for (const auto& [name, value] : call.keywords) {
    arguments.keywords.emplace_back(name, Evaluate(*value, scope));
  }
  if (call.unpacked != nullptr) {
    for (Value& value : Iterate(Evaluate(*call.unpacked, scope))) {
      arguments.positional.push_back(std::move(value));
    }
  }
  if (call.unpacked_keywords != nullptr) {
    const Value named = Evaluate(*call.unpacked_keywords, scope);
    if (named.AsDict() == nullptr) throw TemplateError{"** unpacks a dict"};
    for (const auto& [key, value] : named.AsDict()->items) {
      if (key.AsString() == nullptr) throw TemplateError{"the names of arguments are texts"};
      arguments.keywords.emplace_back(*key.AsString(), value);
    }
  }
  return arguments;
}

// The innermost filter of {% filter %} and {% set %} blocks has no operand: `input` goes in there.
Value Interpreter::ApplyFilters(const Expression& filters, const Value& input,
                                const ScopePtr& scope) {
  const DepthGuard guard(this);
  const Expression* inner = filters.operands[0].get();
  Value value = input;
  if (inner != nullptr) {
    value = inner->kind == ExpressionKind::kFilter ? ApplyFilters(*inner, input, scope)
                                                   : Evaluate(*inner, scope);
  }
  Step();
  line_ = filters.line;
  const Arguments arguments = EvaluateArguments(filters, scope);
  const Filter filter = FindFilter(filters.name);
  if (filter == nullptr) throw TemplateError{UnknownFilter(filters.name)};
  CheckFilterArguments(filters.name, arguments);
  return filter(*this, value, arguments);
}

}  // namespace cohort::policy::jinja
