#include "policy/chat/jinja/parser.h"

#include <algorithm>

namespace cohort::policy::jinja {
namespace {
constexpr int kMaxDepth = 100;  // of blocks inside each other
}

TemplateParser::StatementPtr TemplateParser::Make(StatementKind kind) const {
  auto made = std::make_unique<Statement>();
  made->kind = kind;
  made->line = tokens_.line();
  return made;
}

Body TemplateParser::Parse() { return ParseBody({}); }

Body TemplateParser::ParseBody(std::initializer_list<std::string_view> ends) {
  if (++depth_ > kMaxDepth) RefuseTemplate(tokens_.line(), "blocks are nested too deeply");
  const int begin_line = tokens_.line();
  Body body;
  while (tokens_.Current().kind != TemplateTokenKind::kEnd) {
    if (tokens_.Current().kind == TemplateTokenKind::kData) {
      StatementPtr text = Make(StatementKind::kText);
      text->text = tokens_.Take().text;
      body.push_back(std::move(text));
    } else if (tokens_.Current().kind == TemplateTokenKind::kPrintBegin) {
      StatementPtr print = Make(StatementKind::kPrint);
      tokens_.Take();
      print->value = expressions_.ParseTuple();
      tokens_.Expect(TemplateTokenKind::kPrintEnd, "'}}'");
      body.push_back(std::move(print));
    } else {
      tokens_.Expect(TemplateTokenKind::kBlockBegin, "a tag");
      const TemplateToken& name = tokens_.Current();
      if (name.kind == TemplateTokenKind::kName &&
          std::find(ends.begin(), ends.end(), name.text) != ends.end()) {
        --depth_;
        return body;
      }
      body.push_back(ParseTag());
    }
  }
  if (ends.size() > 0) {
    RefuseTemplate(begin_line, "the block that begins here has no {% " +
                                   std::string(*(ends.end() - 1)) + " %}");
  }
  --depth_;
  return body;
}

Body TemplateParser::ParseBodyTo(std::string_view end) {
  EndTag();
  Body body = ParseBody({end});
  tokens_.Take();
  EndTag();
  return body;
}

TemplateParser::StatementPtr TemplateParser::ParseTag() {
  const int line = tokens_.line();
  const std::string name = tokens_.Expect(TemplateTokenKind::kName, "a tag's name").text;
  if (name == "if") return ParseIf();
  if (name == "for") return ParseFor();
  if (name == "set") return ParseSet();
  if (name == "macro") return ParseMacro();
  if (name == "call") return ParseCallBlock();
  if (name == "filter") return ParseFilterBlock();
  if (name == "with") return ParseWith();
  if (name == "break") return ParseLoopControl(StatementKind::kBreak);
  if (name == "continue") return ParseLoopControl(StatementKind::kContinue);
  if (name == "generation") {  // transformers marks the assistant's tokens with it
    StatementPtr made = Make(StatementKind::kGeneration);
    made->body = ParseBodyTo("endgeneration");
    has_generation_ = true;
    return made;
  }
  for (const char* of_jinja :
       {"block", "extends", "include", "import", "from", "autoescape", "print"}) {
    if (name == of_jinja) RefuseTemplate(line, "tag '" + name + "' is not supported");
  }
  RefuseTemplate(line, "tag '" + name + "' is not known here");
}

TemplateParser::StatementPtr TemplateParser::ParseIf() {
  StatementPtr made = Make(StatementKind::kIf);
  expressions_.EnterIf();
  ExpressionPtr condition = expressions_.ParseTuple(/*with_conditional=*/false);
  while (true) {
    EndTag();
    made->branches.push_back({std::move(condition), ParseBody({"elif", "else", "endif"})});
    const std::string next = tokens_.Take().text;
    const std::string_view tag = next;
    if (tag == "elif") {
      condition = expressions_.ParseTuple(/*with_conditional=*/false);
      continue;
    }
    if (tag == "else") {
      EndTag();
      made->branches.push_back({nullptr, ParseBody({"endif"})});
      tokens_.Take();
    }
    expressions_.LeaveIf();
    EndTag();
    return made;
  }
}

Target TemplateParser::ParseTarget() {
  if (tokens_.SkipOperator("(")) {
    Target inside = ParseTargets();
    tokens_.ExpectOperator(")");
    return inside;
  }
  Target target;
  target.name = tokens_.Expect(TemplateTokenKind::kName, "a name to assign to").text;
  const std::string& name = target.name;
  if (name == "true" || name == "false" || name == "none" || name == "loop") {
    RefuseTemplate(tokens_.line(), "'" + name + "' cannot be assigned to");
  }
  return target;
}

// "a" is a name, "a, b" a tuple, whose parts may be tuples in brackets, such as "(b,)".
Target TemplateParser::ParseTargets() {
  if (++target_depth_ > kMaxNesting)
    RefuseTemplate(tokens_.line(), "targets are nested too deeply");
  Target first = ParseTarget();
  if (tokens_.AtOperator(",")) {
    Target tuple;
    tuple.parts.push_back(std::move(first));
    while (tokens_.SkipOperator(",")) {
      if (tokens_.AtOperator(")")) break;
      tuple.parts.push_back(ParseTarget());
    }
    first = std::move(tuple);
  }
  --target_depth_;
  return first;
}

TemplateParser::StatementPtr TemplateParser::ParseFor() {
  StatementPtr made = Make(StatementKind::kFor);
  made->target = ParseTargets();
  if (!tokens_.SkipName("in")) tokens_.RefuseCurrent("'in'");
  made->value = expressions_.ParseTuple(/*with_conditional=*/false);
  if (tokens_.SkipName("if")) made->condition = expressions_.Parse();
  made->recursive = tokens_.SkipName("recursive");
  EndTag();
  ++loops_;
  made->body = ParseBody({"else", "endfor"});
  --loops_;
  if (tokens_.Take().text == "else") {
    EndTag();
    made->otherwise = ParseBody({"endfor"});
    tokens_.Take();
  }
  EndTag();
  return made;
}

TemplateParser::StatementPtr TemplateParser::ParseSet() {
  StatementPtr made = Make(StatementKind::kSet);
  if (tokens_.Ahead().kind == TemplateTokenKind::kOperator && tokens_.Ahead().text == ".") {
    made->target.name = tokens_.Expect(TemplateTokenKind::kName, "a name to assign to").text;
    tokens_.Take();
    made->attribute = tokens_.Expect(TemplateTokenKind::kName, "an attribute's name").text;
  } else {
    made->target = ParseTargets();
  }
  if (tokens_.SkipOperator("=")) {
    made->value = expressions_.ParseTuple();
    EndTag();
    return made;
  }
  made->kind = StatementKind::kSetBlock;
  if (made->target.name.empty()) tokens_.RefuseCurrent("'='");
  if (tokens_.SkipOperator("|")) made->value = expressions_.ParseFilters(nullptr);
  made->body = ParseBodyTo("endset");
  return made;
}

std::vector<Parameter> TemplateParser::ParseParameters() {
  std::vector<Parameter> parameters;
  tokens_.ExpectOperator("(");
  while (!tokens_.SkipOperator(")")) {
    if (!parameters.empty()) {
      tokens_.ExpectOperator(",");
      if (tokens_.SkipOperator(")")) break;
    }
    Parameter parameter;
    parameter.name = tokens_.Expect(TemplateTokenKind::kName, "a parameter's name").text;
    if (tokens_.SkipOperator("=")) {
      parameter.value = expressions_.Parse();
    } else if (!parameters.empty() && parameters.back().value != nullptr) {
      RefuseTemplate(tokens_.line(), "a parameter without a default follows one with a default");
    }
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

// A macro inside another counts for both, as Jinja2 looks for the names.
void TemplateParser::ReadMacroNames(const ExpressionParser::MacroNames& outside, Statement* macro) {
  const ExpressionParser::MacroNames inside = expressions_.TakeMacroNames();
  macro->takes_varargs = inside.varargs;
  macro->takes_kwargs = inside.kwargs;
  macro->takes_caller = inside.caller;
  expressions_.AddMacroNames(inside);
  expressions_.AddMacroNames(outside);
}

TemplateParser::StatementPtr TemplateParser::ParseMacro() {
  StatementPtr made = Make(StatementKind::kMacro);
  made->text = tokens_.Expect(TemplateTokenKind::kName, "the macro's name").text;
  made->parameters = ParseParameters();
  const int loops_outside = std::exchange(loops_, 0);
  const ExpressionParser::MacroNames outside = expressions_.TakeMacroNames();
  made->body = ParseBodyTo("endmacro");
  ReadMacroNames(outside, made.get());
  loops_ = loops_outside;
  return made;
}

TemplateParser::StatementPtr TemplateParser::ParseCallBlock() {
  StatementPtr made = Make(StatementKind::kCallBlock);
  if (tokens_.AtOperator("(")) made->parameters = ParseParameters();
  made->value = expressions_.Parse();
  if (made->value->kind != ExpressionKind::kCall) RefuseTemplate(made->line, "expected a call");
  const int loops_outside = std::exchange(loops_, 0);
  const ExpressionParser::MacroNames outside = expressions_.TakeMacroNames();
  made->body = ParseBodyTo("endcall");
  ReadMacroNames(outside, made.get());
  loops_ = loops_outside;
  return made;
}

TemplateParser::StatementPtr TemplateParser::ParseFilterBlock() {
  StatementPtr made = Make(StatementKind::kFilter);
  made->value = expressions_.ParseFilters(nullptr);
  made->body = ParseBodyTo("endfilter");
  return made;
}

TemplateParser::StatementPtr TemplateParser::ParseWith() {
  StatementPtr made = Make(StatementKind::kWith);
  while (tokens_.Current().kind != TemplateTokenKind::kBlockEnd) {
    if (!made->parameters.empty()) tokens_.ExpectOperator(",");
    Parameter parameter;
    parameter.name = tokens_.Expect(TemplateTokenKind::kName, "a name").text;
    tokens_.ExpectOperator("=");
    parameter.value = expressions_.Parse();
    made->parameters.push_back(std::move(parameter));
  }
  made->body = ParseBodyTo("endwith");
  return made;
}

TemplateParser::StatementPtr TemplateParser::ParseLoopControl(StatementKind kind) {
  StatementPtr made = Make(kind);
  if (loops_ == 0) RefuseTemplate(made->line, "break and continue belong inside a loop");
  EndTag();
  return made;
}

}  // namespace cohort::policy::jinja
