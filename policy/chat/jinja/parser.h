#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/chat/jinja/expression_parser.h"
#include "policy/chat/jinja/syntax.h"

namespace cohort::policy::jinja {

// Tags and the text between them -> statements.
class TemplateParser {
 public:
  explicit TemplateParser(const std::string& source)
      : tokens_(Tokenize(source)), expressions_(&tokens_) {}

  // The whole template. kUsage with the line of the first thing that is not understood.
  Body Parse();
  bool has_generation() const { return has_generation_; }  // {% generation %}, seen so far

 private:
  using StatementPtr = std::unique_ptr<Statement>;

  // Statements up to a tag that begins with one of `ends`, which is left as the current token.
  Body ParseBody(std::initializer_list<std::string_view> ends);
  // Body, then {% end %}.
  Body ParseBodyTo(std::string_view end);
  StatementPtr ParseTag();
  StatementPtr ParseIf();
  StatementPtr ParseFor();
  StatementPtr ParseSet();
  StatementPtr ParseMacro();
  StatementPtr ParseCallBlock();
  StatementPtr ParseFilterBlock();
  StatementPtr ParseWith();
  StatementPtr ParseLoopControl(StatementKind kind);
  void ReadMacroNames(const ExpressionParser::MacroNames& outside, Statement* macro);
  Target ParseTarget();   // a name, or a tuple in brackets
  Target ParseTargets();  // also a tuple without
  std::vector<Parameter> ParseParameters();
  void EndTag() { tokens_.Expect(TemplateTokenKind::kBlockEnd, "'%}'"); }
  StatementPtr Make(StatementKind kind) const;

  TemplateCursor tokens_;
  ExpressionParser expressions_;
  int depth_ = 0;
  bool has_generation_ = false;
  int target_depth_ = 0;
  int loops_ = 0;  // around the current tag, inside the same macro
};

}  // namespace cohort::policy::jinja
