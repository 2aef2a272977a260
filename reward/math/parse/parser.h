#pragma once

// The parser's own state and productions, shared by the parser_*.cc files. The grammar, loosest
// binding first:
//
//   answer    = item { (comma | semicolon | "and" | "or") item }
//   item      = words | statement
//   statement = ratio { relation ratio | "in" ratio } [ pmod ]
//   ratio     = sets { ":" sets }
//   sets      = sum [ unit ] { (union | intersection | set minus) sum }
//   sum       = product { (+ | - | +-) product }
//   product   = factor { (* | / | mod | nothing) factor }
//   factor    = { sign } power
//   power     = primary { ! | ' | % | degrees | ^ factor }

#include <initializer_list>
#include <string>
#include <vector>

#include "reward/math/algebra/expression.h"
#include "reward/math/parse/token_cursor.h"

namespace cohort::reward::math {

class MathParser : private TokenCursor {
 public:
  MathParser(std::vector<MathToken>* tokens, bool letters_are_units, Arena* arena)
      : TokenCursor(tokens, letters_are_units), arena_(*arena) {}

  NodeId Answer();

 private:
  // parser_answer.cc
  NodeId ListUntil(std::initializer_list<Tok> ends);
  bool Items(std::initializer_list<Tok> ends, std::vector<NodeId>* items);
  NodeId Item();
  NodeId LetterRun();
  NodeId Words();
  NodeId Statement();
  NodeId Relations(NodeId first);
  NodeId Ratio();
  NodeId Sets();
  NodeId Quantity(NodeId value);
  NodeId UnitBehind(NodeId value);

  // parser_terms.cc
  NodeId Sum();
  NodeId Product();
  NodeId NextFactor(NodeId before, size_t before_at);
  NodeId MixedNumber(NodeId whole);
  bool FactorAhead() const;
  NodeId Factor();
  NodeId Power();
  NodeId Postfix(NodeId base);
  NodeId Exponent(NodeId base);
  NodeId Minutes(NodeId degrees);
  NodeId Indexed(NodeId base, NodeId exponent);
  NodeId Extreme();

  // parser_primary.cc
  NodeId Primary();
  NodeId Amount();
  NodeId Binomial();
  NodeId FunctionName();
  NodeId Angle();
  NodeId Number();
  NodeId RepeatingDecimal(const std::string& plain);
  NodeId Repeating(const std::string& plain, const std::string& repeating);
  NodeId NumberSet();
  NodeId EventCall(const std::string& letter);
  NodeId BaseNumeral(const MathToken& digits, NodeId value);
  NodeId Letters();
  NodeId Symbol(std::string name);
  bool AcceptPrime();
  NodeId CallOf(const std::string& name);
  bool Subscript(std::string* name);
  NodeId Fraction();
  NodeId Derivative();
  NodeId Root();
  NodeId Overline();
  NodeId Argument();

  // parser_functions.cc
  NodeId FunctionCall();
  NodeId OnUnitCircle(NodeId angle);
  NodeId FunctionArguments(Function f, std::vector<NodeId>* arguments);
  NodeId BareArgument();
  NodeId Series();
  NodeId Limit();
  NodeId Integral();
  bool Bounds(NodeId* from, NodeId* to);

  // parser_selections.cc: binomial coefficients and numbers of permutations
  NodeId SelectionBehind(const std::string& letter);
  NodeId SelectionCall(const std::string& letter);
  NodeId SelectionBetween();
  NodeId Selection(const std::string& letter, NodeId from, NodeId taken);

  // parser_brackets.cc
  NodeId Bracket();
  NodeId Group();
  NodeId SetBraces();
  NodeId SetBuilder(std::vector<NodeId> elements);
  NodeId Bars();
  NodeId Enclosed(Tok close, Function f);
  NodeId Matrix();
  NodeId Cases();

  static std::string CurrencyUnit(const std::string& sign) {
    return sign.empty() ? "dollar" : sign;
  }
  bool IsModulo(NodeId id) const {
    return arena_.Is(id, NodeKind::kFunction) &&
           static_cast<Function>(arena_[id].op) == Function::kModulo;
  }
  NodeId Make(NodeKind kind, std::initializer_list<NodeId> children, uint8_t op = 0,
              std::string_view text = {}) {
    return arena_.Make(kind, children, op, text);
  }
  NodeId MakeFunction(Function f, std::initializer_list<NodeId> arguments) {
    return arena_.Make(NodeKind::kFunction, arguments, static_cast<uint8_t>(f));
  }

  // Counts the productions that are open; the parse fails beyond kMaxDepth.
  struct Nesting {
    explicit Nesting(int* depth) : depth(depth) { ++*depth; }
    ~Nesting() { --*depth; }
    int* depth;
  };

  Arena& arena_;
  int depth_ = 0;
  int open_bars_ = 0;
  int open_sets_ = 0;  // set braces, in which ":" and "|" mean "such that"
  int integrals_ = 0;
  bool i_is_index_ = false;   // inside a sum over i, which is then no imaginary unit
  std::string differential_;  // the variable of the innermost integral, once read
  uint8_t join_ = 0;          // the word between the items of the list read last
  std::string currency_;      // of the sign before the item's number
};

}  // namespace cohort::reward::math
