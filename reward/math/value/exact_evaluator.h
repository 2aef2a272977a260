#pragma once

// Exact rational values of expressions, by FLINT's fractions.

#include <string_view>
#include <vector>

#include "reward/math/algebra/expression.h"
#include "reward/math/algebra/limits.h"
#include "reward/math/value/big_number.h"

namespace cohort::reward::math {

enum class ExactOutcome {
  kValue,
  kUndefined,  // a division by zero, 0^0, a matrix where a number should be
  kNotExact,   // irrational, symbolic, unsupported, or too large to write out
};

template <typename Value>
struct Binding {
  std::string_view name;  // of a symbol
  Value value;
};

class ExactEvaluator {
 public:
  ExactEvaluator(const Arena& arena, Work* work) : arena_(arena), work_(*work) {}

  void Bind(std::string_view name, const Rational& value) { bindings_.push_back({name, value}); }
  void Unbind() { bindings_.pop_back(); }

  // `value` is set only with kValue. No step writes a number above kMaxExactBits.
  ExactOutcome Evaluate(NodeId id, Rational* value);

 private:
  ExactOutcome Literal(NodeId id, Rational* value);
  ExactOutcome Fold(NodeId id, Rational* value);
  ExactOutcome Quotient(NodeId id, Rational* value);
  ExactOutcome Power(const Rational& base, const Rational& exponent, Rational* value);
  ExactOutcome WholePower(const Rational& base, const fmpz* exponent, Rational* value);
  ExactOutcome Root(const Rational& radicand, uint64_t index, Rational* value);
  ExactOutcome RootNode(NodeId id, Rational* value);
  ExactOutcome Factorial(NodeId id, Rational* value);
  ExactOutcome Series(NodeId id, Rational* value);
  ExactOutcome NamedFunction(NodeId id, Rational* value);
  ExactOutcome ManyArguments(Function f, std::vector<Rational>& arguments, Rational* value);
  ExactOutcome TwoArguments(Function f, const Rational& a, const Rational& b, Rational* value);
  bool Fits(int64_t bits) { return bits <= kMaxExactBits && work_.Spend(1 + bits / 128); }

  const Arena& arena_;
  Work& work_;
  std::vector<Binding<Rational>> bindings_;
};

}  // namespace cohort::reward::math
