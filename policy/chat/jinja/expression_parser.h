#pragma once

#include <utility>

#include "policy/chat/jinja/syntax.h"
#include "policy/chat/jinja/template_cursor.h"

namespace cohort::policy::jinja {

// Expressions by recursive descent, with Jinja2's precedence. Nesting is bounded.
class ExpressionParser {
 public:
  explicit ExpressionParser(TemplateCursor* tokens) : tokens_(*tokens) {}

  ExpressionPtr Parse(bool with_conditional = true);
  // "a, b" without brackets is a tuple.
  ExpressionPtr ParseTuple(bool with_conditional = true);
  // name | filter | filter of {% filter %}: filters without a value.
  ExpressionPtr ParseFilters(ExpressionPtr value);

  // Inside {% if %} a filter or test that is not known is refused only where it is met, as Jinja2
  // does: templates ask there for what their host may lack.
  void EnterIf() { ++ifs_; }
  void LeaveIf() { --ifs_; }

  // Names that make a macro take what its parameters do not name.
  struct MacroNames {
    bool varargs = false, kwargs = false, caller = false;
  };
  // Those seen since they were last taken.
  MacroNames TakeMacroNames() { return std::exchange(macro_names_, {}); }
  void AddMacroNames(const MacroNames& names);

 private:
  ExpressionPtr ParseConditional();
  ExpressionPtr ParseOr();
  ExpressionPtr ParseBinary(size_t level);
  ExpressionPtr ParseNot();
  ExpressionPtr ParseCompare();
  ExpressionPtr ParseUnary(bool with_filter);
  ExpressionPtr ParsePrimary();
  ExpressionPtr ParseNumber();
  ExpressionPtr ParseBracketed();
  ExpressionPtr ParseList();
  ExpressionPtr ParseDict();
  ExpressionPtr ParsePostfix(ExpressionPtr value);
  ExpressionPtr ParseSubscript(ExpressionPtr value);
  ExpressionPtr ParseFilterChain(ExpressionPtr value);
  ExpressionPtr ParseFilter(ExpressionPtr value);
  ExpressionPtr ParseTest(ExpressionPtr value);
  bool AtTestArgument() const;
  void ParseArguments(Expression* call);
  std::unique_ptr<Expression> Make(ExpressionKind kind, std::string name = "");

  TemplateCursor& tokens_;
  int depth_ = 0;
  int parts_ = 0;
  int ifs_ = 0;  // around the current expression
  MacroNames macro_names_;
};

}  // namespace cohort::policy::jinja
