#pragma once

// Values of expressions as complex balls (Arb): the true value lies inside. Undefined values come
// out as balls that are not finite.

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "reward/math/algebra/expression.h"
#include "reward/math/value/big_number.h"
#include "reward/math/value/exact_evaluator.h"

namespace cohort::reward::math {

class BallEvaluator {
 public:
  BallEvaluator(const Arena& arena, Work* work) : arena_(arena), work_(*work) {}

  // A symbol without a binding has no value.
  void Bind(std::string_view name, const Ball& value) { bindings_.push_back({name, value}); }
  void Unbind() { bindings_.pop_back(); }

  // False when the expression has no numeric meaning or the work ran out. Real where the value is
  // real for real arguments: odd roots of negative numbers are negative.
  bool Evaluate(NodeId id, int64_t precision, Ball* value);

  // The largest |log2| of any part's magnitude since the last call: values that differ by less
  // than this many bits below 1 may be different.
  int64_t TakeSpread() { return std::exchange(spread_, 0); }

  // Whether any part was not real since the last call.
  bool TakeLeftReals() { return std::exchange(left_reals_, false); }

 private:
  bool Step(NodeId id, Ball* value);
  bool Leaf(NodeId id, Ball* value);
  bool Literal(NodeId id, Ball* value);
  bool Fold(NodeId id, Ball* value);
  bool Power(NodeId id, Ball* value);
  bool PowerOf(const Ball& base, NodeId exponent, Ball* value);
  bool OddRoot(const Ball& base, uint64_t index, Ball* value);
  bool Root(NodeId id, Ball* value);
  bool Factorial(NodeId id, Ball* value);
  bool Series(NodeId id, Ball* value);
  bool InfiniteSeries(NodeId id, const Rational& from, Ball* value);
  bool ZetaSeries(NodeId id, Ball* value);
  bool Limit(NodeId id, Ball* value);
  bool Call(NodeId id, Ball* value);
  bool NamedFunction(NodeId id, Ball* value);
  bool Elementary(Function f, Ball* x, Ball* value);
  bool Inverses(Function f, Ball* x, Ball* value);
  bool RealOnly(Function f, const Ball& x, Ball* value);
  bool Several(Function f, std::vector<Ball>& arguments, Ball* value);
  bool Gamma(Ball* x, Ball* value);
  void Note(const Ball& value);
  // Exponents above this size make numbers that no precision in reach can hold.
  static bool TooLarge(const Ball& exponent);

  const Arena& arena_;
  Work& work_;
  std::vector<Binding<Ball>> bindings_;
  int64_t precision_ = 64;
  int64_t spread_ = 0;
  bool left_reals_ = false;
  int nested_limits_ = 0;
};

// Whether degrees are part of the expression outside of named functions.
bool HasDegrees(const Arena& arena, NodeId id);

}  // namespace cohort::reward::math
