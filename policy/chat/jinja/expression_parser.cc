#include "policy/chat/jinja/expression_parser.h"

#include <algorithm>
#include <cstdlib>

#include "policy/chat/jinja/big_integer.h"
#include "policy/chat/jinja/filters.h"
#include "policy/chat/jinja/known_names.h"
#include "policy/chat/jinja/tests.h"

namespace cohort::policy::jinja {
namespace {

constexpr size_t kSum = 2;       // the level of + in ParseBinary
constexpr int kMaxDepth = 200;   // of expressions inside each other
constexpr int kMaxParts = 2000;  // of one expression; bounds the height of its tree

struct DepthGuard {
  DepthGuard(int* depth, int line) : depth(depth) {
    if (++*depth > kMaxDepth) RefuseTemplate(line, "expressions are nested too deeply");
  }
  ~DepthGuard() { --*depth; }
  int* depth;
};

}  // namespace

std::unique_ptr<Expression> ExpressionParser::Make(ExpressionKind kind, std::string name) {
  if (++parts_ > kMaxParts) RefuseTemplate(tokens_.line(), "an expression is too long");
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = tokens_.line();
  made->name = std::move(name);
  return made;
}

ExpressionPtr ExpressionParser::Parse(bool with_conditional) {
  if (depth_ == 0) parts_ = 0;
  const DepthGuard guard(&depth_, tokens_.line());
  return with_conditional ? ParseConditional() : ParseOr();
}

ExpressionPtr ExpressionParser::ParseTuple(bool with_conditional) {
  auto tuple = Make(ExpressionKind::kTuple);
  ExpressionPtr first = Parse(with_conditional);
  if (!tokens_.AtOperator(",")) return first;
  tuple->operands.push_back(std::move(first));
  while (tokens_.SkipOperator(",")) {
    const TemplateTokenKind kind = tokens_.Current().kind;
    if (kind == TemplateTokenKind::kBlockEnd || kind == TemplateTokenKind::kPrintEnd ||
        tokens_.AtOperator(")") || tokens_.AtOperator("=")) {
      break;
    }
    tuple->operands.push_back(Parse(with_conditional));
  }
  return tuple;
}

ExpressionPtr ExpressionParser::ParseConditional() {
  ExpressionPtr value = ParseOr();
  while (tokens_.AtName("if")) {
    auto made = Make(ExpressionKind::kConditional);
    tokens_.Take();
    made->operands.push_back(std::move(value));
    made->operands.push_back(ParseOr());
    made->operands.push_back(tokens_.SkipName("else") ? Parse() : nullptr);
    value = std::move(made);
  }
  return value;
}

void ExpressionParser::AddMacroNames(const MacroNames& names) {
  macro_names_.varargs = macro_names_.varargs || names.varargs;
  macro_names_.kwargs = macro_names_.kwargs || names.kwargs;
  macro_names_.caller = macro_names_.caller || names.caller;
}

ExpressionPtr ExpressionParser::ParseOr() { return ParseBinary(0); }

// Operators that group from the left, the loosest level first. `not` and the comparisons stand
// between `and` and +.
ExpressionPtr ExpressionParser::ParseBinary(size_t level) {
  static const std::vector<std::vector<std::string>> kLevels = {
      {"or"}, {"and"}, {"+", "-"}, {"~"}, {"*", "//", "/", "%"}, {"**"}};
  constexpr size_t kAnd = 1;
  const auto operand = [&] {
    if (level == kAnd) return ParseNot();
    return level + 1 < kLevels.size() ? ParseBinary(level + 1) : ParseUnary(true);
  };
  const auto at_operator = [&](const std::string& op) {
    return level <= kAnd ? tokens_.AtName(op) : tokens_.AtOperator(op);
  };
  ExpressionPtr left = operand();
  while (true) {
    const auto& operators = kLevels[level];
    const auto op = std::find_if(operators.begin(), operators.end(), at_operator);
    if (op == operators.end()) return left;
    auto made = Make(ExpressionKind::kBinary, *op);
    tokens_.Take();
    made->operands.push_back(std::move(left));
    made->operands.push_back(operand());
    left = std::move(made);
  }
}

ExpressionPtr ExpressionParser::ParseNot() {
  if (!tokens_.AtName("not")) return ParseCompare();
  const DepthGuard guard(&depth_, tokens_.line());
  auto made = Make(ExpressionKind::kUnary, "not");
  tokens_.Take();
  made->operands.push_back(ParseNot());
  return made;
}

ExpressionPtr ExpressionParser::ParseCompare() {
  auto compare = Make(ExpressionKind::kCompare);
  ExpressionPtr first = ParseBinary(kSum);
  while (true) {
    std::string op;
    for (const char* known : {"==", "!=", ">=", "<=", ">", "<"}) {
      if (op.empty() && tokens_.SkipOperator(known)) op = known;
    }
    if (op.empty() && tokens_.SkipName("in")) op = "in";
    if (op.empty() && tokens_.AtName("not") && tokens_.Ahead().kind == TemplateTokenKind::kName &&
        tokens_.Ahead().text == "in") {
      tokens_.Take();
      tokens_.Take();
      op = "not in";
    }
    if (op.empty()) break;
    compare->names.push_back(op);
    compare->operands.push_back(ParseBinary(kSum));
  }
  if (compare->names.empty()) return first;
  compare->operands.insert(compare->operands.begin(), std::move(first));
  return compare;
}

ExpressionPtr ExpressionParser::ParseUnary(bool with_filter) {
  ExpressionPtr value;
  if (tokens_.AtOperator("-") || tokens_.AtOperator("+")) {
    const DepthGuard guard(&depth_, tokens_.line());
    auto made = Make(ExpressionKind::kUnary, tokens_.Current().text);
    tokens_.Take();
    made->operands.push_back(ParseUnary(false));
    value = std::move(made);
  } else {
    value = ParsePrimary();
  }
  value = ParsePostfix(std::move(value));
  return with_filter ? ParseFilterChain(std::move(value)) : std::move(value);
}

ExpressionPtr ExpressionParser::ParseNumber() {
  auto made = Make(ExpressionKind::kConstant);
  const TemplateToken token = tokens_.Take();
  if (token.kind == TemplateTokenKind::kFloat) {
    made->constant = std::strtod(token.text.c_str(), nullptr);
    return made;
  }
  const char prefix = token.text.size() > 1 ? token.text[1] : '\0';
  const int base = prefix == 'x' ? 16 : (prefix == 'o' ? 8 : (prefix == 'b' ? 2 : 10));
  try {
    made->constant = IntegerOf(base == 10 ? token.text : token.text.substr(2), base);
  } catch (const TemplateError& error) {
    RefuseTemplate(token.line, error.message);
  }
  return made;
}

ExpressionPtr ExpressionParser::ParsePrimary() {
  const TemplateToken& token = tokens_.Current();
  if (token.kind == TemplateTokenKind::kInteger || token.kind == TemplateTokenKind::kFloat)
    return ParseNumber();
  if (token.kind == TemplateTokenKind::kString) {
    auto made = Make(ExpressionKind::kConstant);
    std::string text;
    while (tokens_.Current().kind == TemplateTokenKind::kString) text += tokens_.Take().text;
    made->constant = std::move(text);
    return made;
  }
  if (token.kind == TemplateTokenKind::kName) {
    auto made = Make(ExpressionKind::kName, token.text);
    const std::string name = tokens_.Take().text;
    made->kind = ExpressionKind::kConstant;
    if (name == "true" || name == "True") {
      made->constant = true;
    } else if (name == "false" || name == "False") {
      made->constant = false;
    } else if (name == "none" || name == "None") {
      made->constant = None{};
    } else {
      made->kind = ExpressionKind::kName;
      if (name == "self") RefuseTemplate(tokens_.line(), "'self' is not supported");
      AddMacroNames({name == "varargs", name == "kwargs", name == "caller"});
    }
    return made;
  }
  if (tokens_.AtOperator("(")) return ParseBracketed();
  if (tokens_.AtOperator("[")) return ParseList();
  if (tokens_.AtOperator("{")) return ParseDict();
  tokens_.RefuseCurrent("a value");
}

ExpressionPtr ExpressionParser::ParseBracketed() {
  auto empty = Make(ExpressionKind::kTuple);
  tokens_.Take();
  if (tokens_.SkipOperator(")")) return empty;
  ExpressionPtr value = ParseTuple();
  tokens_.ExpectOperator(")");
  return value;
}

ExpressionPtr ExpressionParser::ParseList() {
  auto list = Make(ExpressionKind::kList);
  tokens_.Take();
  while (!tokens_.SkipOperator("]")) {
    if (!list->operands.empty()) {
      tokens_.ExpectOperator(",");
      if (tokens_.SkipOperator("]")) break;
    }
    list->operands.push_back(Parse());
  }
  return list;
}

ExpressionPtr ExpressionParser::ParseDict() {
  auto dict = Make(ExpressionKind::kDict);
  tokens_.Take();
  while (!tokens_.SkipOperator("}")) {
    if (!dict->operands.empty()) {
      tokens_.ExpectOperator(",");
      if (tokens_.SkipOperator("}")) break;
    }
    dict->operands.push_back(Parse());
    tokens_.ExpectOperator(":");
    dict->operands.push_back(Parse());
  }
  return dict;
}

ExpressionPtr ExpressionParser::ParsePostfix(ExpressionPtr value) {
  while (true) {
    if (tokens_.AtOperator(".")) {
      tokens_.Take();
      auto made = Make(ExpressionKind::kAttribute);
      made->operands.push_back(std::move(value));
      if (tokens_.Current().kind == TemplateTokenKind::kInteger) {
        made->kind = ExpressionKind::kItem;
        made->operands.push_back(ParseNumber());
      } else {
        made->name = tokens_.Expect(TemplateTokenKind::kName, "a name after '.'").text;
      }
      value = std::move(made);
    } else if (tokens_.AtOperator("[")) {
      value = ParseSubscript(std::move(value));
    } else if (tokens_.AtOperator("(")) {
      auto made = Make(ExpressionKind::kCall);
      made->operands.push_back(std::move(value));
      ParseArguments(made.get());
      value = std::move(made);
    } else {
      return value;
    }
  }
}

ExpressionPtr ExpressionParser::ParseSubscript(ExpressionPtr value) {
  auto made = Make(ExpressionKind::kItem);
  tokens_.Take();
  made->operands.push_back(std::move(value));
  ExpressionPtr part = tokens_.AtOperator(":") ? nullptr : Parse();
  if (!tokens_.AtOperator(":")) {
    made->operands.push_back(std::move(part));
    tokens_.ExpectOperator("]");
    return made;
  }
  made->kind = ExpressionKind::kSlice;
  made->operands.push_back(std::move(part));
  while (made->operands.size() < 4 && tokens_.SkipOperator(":")) {
    const bool left_out = tokens_.AtOperator(":") || tokens_.AtOperator("]");
    made->operands.push_back(left_out ? nullptr : Parse());
  }
  while (made->operands.size() < 4) made->operands.push_back(nullptr);
  tokens_.ExpectOperator("]");
  return made;
}

void ExpressionParser::ParseArguments(Expression* call) {
  tokens_.ExpectOperator("(");
  bool first = true;
  while (!tokens_.SkipOperator(")")) {
    if (!first) {
      tokens_.ExpectOperator(",");
      if (tokens_.SkipOperator(")")) break;
    }
    first = false;
    if (tokens_.AtOperator("*") || tokens_.AtOperator("**")) {
      const bool keywords = tokens_.Take().text == "**";
      ExpressionPtr& unpacked = keywords ? call->unpacked_keywords : call->unpacked;
      if (unpacked != nullptr || call->unpacked_keywords != nullptr) {
        RefuseTemplate(tokens_.line(), "arguments may be unpacked once by * and then once by **");
      }
      unpacked = Parse();
      continue;
    }
    if (tokens_.Current().kind == TemplateTokenKind::kName &&
        tokens_.Ahead().kind == TemplateTokenKind::kOperator && tokens_.Ahead().text == "=") {
      const std::string name = tokens_.Take().text;
      tokens_.Take();
      call->keywords.emplace_back(name, Parse());
    } else {
      if (!call->keywords.empty() || call->unpacked != nullptr ||
          call->unpacked_keywords != nullptr) {
        RefuseTemplate(tokens_.line(), "a positional argument follows a named one");
      }
      call->operands.push_back(Parse());
    }
  }
}

ExpressionPtr ExpressionParser::ParseFilterChain(ExpressionPtr value) {
  while (true) {
    if (tokens_.AtOperator("|")) {
      tokens_.Take();
      value = ParseFilter(std::move(value));
    } else if (tokens_.AtName("is")) {
      value = ParseTest(std::move(value));
    } else if (tokens_.AtOperator("(")) {
      auto made = Make(ExpressionKind::kCall);
      made->operands.push_back(std::move(value));
      ParseArguments(made.get());
      value = std::move(made);
    } else {
      return value;
    }
  }
}

ExpressionPtr ExpressionParser::ParseFilters(ExpressionPtr value) {
  parts_ = 0;
  value = ParseFilter(std::move(value));
  while (tokens_.SkipOperator("|")) value = ParseFilter(std::move(value));
  return value;
}

ExpressionPtr ExpressionParser::ParseFilter(ExpressionPtr value) {
  auto made = Make(ExpressionKind::kFilter);
  made->name = tokens_.Expect(TemplateTokenKind::kName, "a filter's name").text;
  if (ifs_ == 0 && FindFilter(made->name) == nullptr) {
    RefuseTemplate(made->line, UnknownFilter(made->name));
  }
  made->operands.push_back(std::move(value));
  if (tokens_.AtOperator("(")) ParseArguments(made.get());
  return made;
}

bool ExpressionParser::AtTestArgument() const {
  const TemplateToken& token = tokens_.Current();
  switch (token.kind) {
    case TemplateTokenKind::kString:
    case TemplateTokenKind::kInteger:
    case TemplateTokenKind::kFloat:
      return true;
    case TemplateTokenKind::kName:
      if (token.text == "is") RefuseTemplate(token.line, "tests cannot be chained with is");
      return token.text != "else" && token.text != "or" && token.text != "and";
    case TemplateTokenKind::kOperator:
      return token.text == "[" || token.text == "{";
    default:
      return false;
  }
}

ExpressionPtr ExpressionParser::ParseTest(ExpressionPtr value) {
  auto made = Make(ExpressionKind::kTest);
  tokens_.Take();
  const bool negated = tokens_.SkipName("not");
  made->name = tokens_.Expect(TemplateTokenKind::kName, "a test's name").text;
  if (ifs_ == 0 && FindTest(made->name) == nullptr) {
    RefuseTemplate(made->line, "test '" + made->name + "' is not known");
  }
  made->operands.push_back(std::move(value));
  if (tokens_.AtOperator("(")) {
    ParseArguments(made.get());
  } else if (AtTestArgument()) {
    made->operands.push_back(ParsePostfix(ParsePrimary()));
  }
  if (!negated) return made;
  auto inverse = Make(ExpressionKind::kUnary, "not");
  inverse->operands.push_back(std::move(made));
  return inverse;
}

}  // namespace cohort::policy::jinja
