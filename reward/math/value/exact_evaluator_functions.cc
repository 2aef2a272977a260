// Functions with rational values at rational arguments.

#include "reward/math/value/exact_evaluator.h"

namespace cohort::reward::math {

ExactOutcome ExactEvaluator::NamedFunction(NodeId id, Rational* value) {
  const auto f = static_cast<Function>(arena_[id].op);
  if (f < Function::kAbs || f == Function::kGamma || f == Function::kArgument ||
      f > Function::kBinomial) {
    return ExactOutcome::kNotExact;
  }
  std::vector<Rational> arguments(arena_[id].count);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const ExactOutcome outcome = Evaluate(arena_.Child(id, i), &arguments[i]);
    if (outcome != ExactOutcome::kValue) return outcome;
  }
  if (f >= Function::kGcd && f <= Function::kMin) return ManyArguments(f, arguments, value);
  if (f == Function::kModulo || f == Function::kBinomial) {
    if (arguments.size() != 2) return ExactOutcome::kNotExact;
    return TwoArguments(f, arguments[0], arguments[1], value);
  }
  if (arguments.size() != 1) return ExactOutcome::kNotExact;
  const Rational& x = arguments[0];
  fmpq_set(value->get(), x.get());
  switch (f) {
    case Function::kAbs:
      fmpq_abs(value->get(), x.get());
      break;
    case Function::kFloor:
    case Function::kCeiling:
      fmpz_one(value->den());
      if (f == Function::kFloor) {
        fmpz_fdiv_q(value->num(), x.num(), x.den());
      } else {
        fmpz_cdiv_q(value->num(), x.num(), x.den());
      }
      break;
    case Function::kSign:
      fmpq_set_si(value->get(), fmpq_sgn(x.get()), 1);
      break;
    case Function::kImaginaryPart:
      fmpq_zero(value->get());
      break;
    default:  // real part and conjugate
      break;
  }
  return ExactOutcome::kValue;
}

ExactOutcome ExactEvaluator::ManyArguments(Function f, std::vector<Rational>& arguments,
                                           Rational* value) {
  Rational result = arguments[0];
  if (f == Function::kGcd || f == Function::kLcm) fmpq_abs(result.get(), result.get());
  for (Rational& next : arguments) {
    const int order = fmpq_cmp(next.get(), result.get());
    if ((f == Function::kMax && order > 0) || (f == Function::kMin && order < 0)) result = next;
    if (f != Function::kGcd && f != Function::kLcm) continue;
    if (!next.IsInteger() || !result.IsInteger()) return ExactOutcome::kNotExact;
    if (!Fits(result.Bits() + next.Bits())) return ExactOutcome::kNotExact;
    if (f == Function::kGcd) {
      fmpz_gcd(result.num(), result.num(), next.num());
    } else {
      fmpz_lcm(result.num(), result.num(), next.num());
    }
  }
  *value = result;
  return ExactOutcome::kValue;
}

ExactOutcome ExactEvaluator::TwoArguments(Function f, const Rational& a, const Rational& b,
                                          Rational* value) {
  if (f == Function::kModulo) {
    if (b.IsZero()) return ExactOutcome::kUndefined;
    // a - b floor(a / b)
    Rational quotient;
    if (!Fits(2 * (a.Bits() + b.Bits()))) return ExactOutcome::kNotExact;
    fmpq_div(quotient.get(), a.get(), b.get());
    fmpz_fdiv_q(quotient.num(), quotient.num(), quotient.den());
    fmpz_one(quotient.den());
    fmpq_mul(quotient.get(), quotient.get(), b.get());
    fmpq_sub(value->get(), a.get(), quotient.get());
    return ExactOutcome::kValue;
  }
  if (!a.IsInteger() || !b.IsInteger() || fmpz_sgn(a.num()) < 0) return ExactOutcome::kNotExact;
  if (fmpz_cmp_ui(a.num(), 8000) > 0) return ExactOutcome::kNotExact;
  if (!Fits(fmpz_get_si(a.num()) * 2)) return ExactOutcome::kNotExact;
  fmpq_zero(value->get());
  if (fmpz_sgn(b.num()) < 0 || fmpz_cmp(b.num(), a.num()) > 0) return ExactOutcome::kValue;
  fmpz_bin_uiui(value->num(), fmpz_get_ui(a.num()), fmpz_get_ui(b.num()));
  return ExactOutcome::kValue;
}

}  // namespace cohort::reward::math
