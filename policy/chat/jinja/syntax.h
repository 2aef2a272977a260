#pragma once

// The syntax tree of a template.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

enum class ExpressionKind {
  kConstant,     // constant
  kName,         // name
  kList,         // operands
  kTuple,        // operands
  kDict,         // operands: key, value, key, value..
  kAttribute,    // operands[0].name
  kItem,         // operands[0][operands[1]]
  kSlice,        // operands[0][1:2:3], null where left out
  kCall,         // operands[0](rest, keywords)
  kFilter,       // operands[0] | name(rest, keywords); operands[0] null inside {% filter %}
  kTest,         // operands[0] is name(rest)
  kUnary,        // name: "-", "+", "not"
  kBinary,       // name: + - * / // % ** ~ and or
  kCompare,      // operands[0] names[0] operands[1] names[1] ..
  kConditional,  // operands: value, condition, otherwise (null: undefined)
};

struct Expression {
  ExpressionKind kind;
  int line = 0;
  std::string name;
  Value constant;
  std::vector<ExpressionPtr> operands;
  std::vector<std::pair<std::string, ExpressionPtr>> keywords;
  ExpressionPtr unpacked, unpacked_keywords;  // f(*unpacked, **unpacked_keywords)
  std::vector<std::string> names;
};

struct Statement;
using Body = std::vector<std::unique_ptr<const Statement>>;

enum class StatementKind {
  kText,        // text
  kPrint,       // value
  kIf,          // branches
  kFor,         // target in value [if condition] [recursive]; body; otherwise
  kSet,         // target = value, or target.attribute = value
  kSetBlock,    // target = body [| value]
  kMacro,       // text: name; parameters; body
  kCallBlock,   // value(.. caller = body with parameters)
  kFilter,      // body | value
  kWith,        // parameters; body
  kGeneration,  // body, written by the assistant
  kBreak,
  kContinue,
};

struct Parameter {
  std::string name;
  ExpressionPtr value;  // null: required
};

struct Branch {
  ExpressionPtr condition;  // null: else
  Body body;
};

// The target of an assignment: a name, or, where the name is empty, a tuple to be unpacked.
struct Target {
  std::string name;
  std::vector<Target> parts;
};

struct Statement {
  StatementKind kind;
  int line = 0;
  std::string text;
  std::string attribute;
  ExpressionPtr value, condition;
  Target target;
  std::vector<Parameter> parameters;
  std::vector<Branch> branches;
  Body body, otherwise;
  bool recursive = false;
  // Whether a macro's body names varargs, kwargs, caller.
  bool takes_varargs = false, takes_kwargs = false, takes_caller = false;
};

}  // namespace cohort::policy::jinja
