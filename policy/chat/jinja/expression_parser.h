#pragma once

#include "policy/chat/jinja/syntax.h"
#include "policy/chat/jinja/token_cursor.h"

namespace cohort::policy::jinja {

// Expressions by recursive descent, with Jinja2's precedence. Nesting is bounded.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenCursor* tokens) : tokens_(*tokens) {}

  ExpressionPtr Parse(bool with_conditional = true);
  // "a, b" without brackets is a tuple.
  ExpressionPtr ParseTuple(bool with_conditional = true);
  // name | filter | filter of {% filter %}: filters without a value.
  ExpressionPtr ParseFilters(ExpressionPtr value);

  // Inside {% if %} a filter or test that is not known is refused only where it is met, as Jinja2
  // does: templates ask there for what their host may lack.
  void EnterIf() { ++ifs_; }
  void LeaveIf() { --ifs_; }

 private:
  ExpressionPtr ParseConditional();
  ExpressionPtr ParseOr();
  ExpressionPtr ParseAnd();
  ExpressionPtr ParseNot();
  ExpressionPtr ParseCompare();
  ExpressionPtr ParseSum();
  ExpressionPtr ParseConcatenation();
  ExpressionPtr ParseProduct();
  ExpressionPtr ParsePower();
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
  ExpressionPtr ParseLeftAssociative(std::initializer_list<const char*> operators,
                                     ExpressionPtr (ExpressionParser::*operand)());

  std::unique_ptr<Expression> Make(ExpressionKind kind, std::string name = "");

  TokenCursor& tokens_;
  int depth_ = 0;
  int parts_ = 0;
  int ifs_ = 0;  // around the current expression
};

}  // namespace cohort::policy::jinja
