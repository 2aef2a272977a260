#include "reward/math/value/exact_evaluator.h"

#include <algorithm>

#include "reward/text/decimal.h"

namespace cohort::reward::math {

namespace {

void Hundredth(Rational* value) {
  Integer hundred;
  fmpz_set_ui(hundred.get(), 100);
  fmpq_div_fmpz(value->get(), value->get(), hundred.get());
}

}  // namespace

ExactOutcome ExactEvaluator::Evaluate(NodeId id, Rational* value) {
  if (!work_.Spend(1)) return ExactOutcome::kNotExact;
  const Node& node = arena_[id];
  switch (node.kind) {
    case NodeKind::kNumber:
      return Literal(id, value);
    case NodeKind::kSymbol: {
      const auto bound = std::find_if(bindings_.rbegin(), bindings_.rend(),
                                      [&](const auto& b) { return b.name == arena_.Text(id); });
      if (bound == bindings_.rend()) return ExactOutcome::kNotExact;
      *value = bound->value;
      return ExactOutcome::kValue;
    }
    case NodeKind::kNegation: {
      const ExactOutcome outcome = Evaluate(arena_.Child(id, 0), value);
      if (outcome == ExactOutcome::kValue) fmpq_neg(value->get(), value->get());
      return outcome;
    }
    case NodeKind::kSum:
    case NodeKind::kProduct:
      return Fold(id, value);
    case NodeKind::kQuotient:
      return Quotient(id, value);
    case NodeKind::kPower: {
      Rational base, exponent;
      ExactOutcome outcome = Evaluate(arena_.Child(id, 0), &base);
      if (outcome == ExactOutcome::kValue) outcome = Evaluate(arena_.Child(id, 1), &exponent);
      return outcome == ExactOutcome::kValue ? Power(base, exponent, value) : outcome;
    }
    case NodeKind::kRoot:
      return RootNode(id, value);
    case NodeKind::kFactorial:
    case NodeKind::kDoubleFactorial:
      return Factorial(id, value);
    case NodeKind::kSeries:
      return Series(id, value);
    case NodeKind::kFunction:
      return NamedFunction(id, value);
    case NodeKind::kPercent: {
      const ExactOutcome outcome = Evaluate(arena_.Child(id, 0), value);
      if (outcome == ExactOutcome::kValue) Hundredth(value);
      return outcome;
    }
    case NodeKind::kDegrees:
    case NodeKind::kQuantity:
    case NodeKind::kBaseNumeral:
      return Evaluate(arena_.Child(id, 0), value);
    default:
      return ExactOutcome::kNotExact;
  }
}

ExactOutcome ExactEvaluator::Literal(NodeId id, Rational* value) {
  const Node& node = arena_[id];
  if (node.den != 0) {
    fmpq_set_si(value->get(), node.num, static_cast<ulong>(node.den));
    return ExactOutcome::kValue;
  }
  const auto decimal = ParseDecimal(arena_.Text(id));
  if (!decimal.has_value()) return ExactOutcome::kNotExact;
  const int64_t scale = decimal->exponent - static_cast<int64_t>(decimal->digits.size());
  if (!Fits(4 * static_cast<int64_t>(decimal->digits.size()) + 4 * std::abs(scale))) {
    return ExactOutcome::kNotExact;
  }
  fmpq_zero(value->get());
  if (decimal->digits.empty()) return ExactOutcome::kValue;
  fmpz_set_str(value->num(), decimal->digits.c_str(), 10);
  Integer power;
  fmpz_set_ui(power.get(), 10);
  fmpz_pow_ui(power.get(), power.get(), static_cast<ulong>(std::abs(scale)));
  if (scale >= 0) {
    fmpz_mul(value->num(), value->num(), power.get());
  } else {
    fmpz_set(value->den(), power.get());
    fmpq_canonicalise(value->get());
  }
  return ExactOutcome::kValue;
}

ExactOutcome ExactEvaluator::Fold(NodeId id, Rational* value) {
  const bool sum = arena_.Is(id, NodeKind::kSum);
  Rational total, next;
  if (!sum) fmpq_one(total.get());
  for (const NodeId child : arena_.Children(id)) {
    const ExactOutcome outcome = Evaluate(child, &next);
    if (outcome != ExactOutcome::kValue) return outcome;
    if (!Fits(total.Bits() + next.Bits())) return ExactOutcome::kNotExact;
    if (sum) {
      fmpq_add(total.get(), total.get(), next.get());
    } else {
      fmpq_mul(total.get(), total.get(), next.get());
    }
  }
  *value = total;
  return ExactOutcome::kValue;
}

ExactOutcome ExactEvaluator::Quotient(NodeId id, Rational* value) {
  Rational a, b;
  ExactOutcome outcome = Evaluate(arena_.Child(id, 0), &a);
  if (outcome != ExactOutcome::kValue) return outcome;
  outcome = Evaluate(arena_.Child(id, 1), &b);
  if (outcome != ExactOutcome::kValue) return outcome;
  if (b.IsZero()) return ExactOutcome::kUndefined;
  if (!Fits(a.Bits() + b.Bits())) return ExactOutcome::kNotExact;
  fmpq_div(value->get(), a.get(), b.get());
  return ExactOutcome::kValue;
}

ExactOutcome ExactEvaluator::WholePower(const Rational& base, const fmpz* exponent,
                                        Rational* value) {
  if (base.IsZero() && fmpz_sgn(exponent) <= 0) return ExactOutcome::kUndefined;
  if (fmpz_is_zero(exponent) || (base.IsInteger() && fmpz_is_one(base.num()))) {
    fmpq_one(value->get());
    return ExactOutcome::kValue;
  }
  if (base.IsZero()) {
    fmpq_zero(value->get());
    return ExactOutcome::kValue;
  }
  if (base.IsInteger() && fmpz_is_pm1(base.num())) {  // -1
    fmpq_set_si(value->get(), fmpz_is_even(exponent) ? 1 : -1, 1);
    return ExactOutcome::kValue;
  }
  if (fmpz_bits(exponent) > 24) return ExactOutcome::kNotExact;
  const int64_t e = fmpz_get_si(exponent);
  if (!Fits(base.Bits() * std::abs(e))) return ExactOutcome::kNotExact;
  fmpq_pow_si(value->get(), base.get(), e);
  return ExactOutcome::kValue;
}

// Real values only: a negative base has odd roots.
ExactOutcome ExactEvaluator::Power(const Rational& base, const Rational& exponent,
                                   Rational* value) {
  if (exponent.IsInteger()) return WholePower(base, exponent.num(), value);
  if (fmpz_bits(exponent.den()) > 10) return ExactOutcome::kNotExact;
  Rational root;
  const ExactOutcome outcome = Root(base, fmpz_get_ui(exponent.den()), &root);
  if (outcome != ExactOutcome::kValue) return outcome;
  return WholePower(root, exponent.num(), value);
}

ExactOutcome ExactEvaluator::Root(const Rational& radicand, uint64_t index, Rational* value) {
  const bool negative = fmpz_sgn(radicand.num()) < 0;
  if (index == 0) return ExactOutcome::kUndefined;
  if (negative && index % 2 == 0) return ExactOutcome::kNotExact;
  if (!Fits(4 * radicand.Bits())) return ExactOutcome::kNotExact;
  Integer num;
  fmpz_abs(num.get(), radicand.num());
  Rational root;
  const bool exact = fmpz_root(root.num(), num.get(), static_cast<slong>(index)) != 0 &&
                     fmpz_root(root.den(), radicand.den(), static_cast<slong>(index)) != 0;
  if (!exact) {
    fmpz_one(root.den());
    return ExactOutcome::kNotExact;
  }
  if (negative) fmpq_neg(root.get(), root.get());
  *value = root;
  return ExactOutcome::kValue;
}

ExactOutcome ExactEvaluator::RootNode(NodeId id, Rational* value) {
  Rational radicand, index;
  ExactOutcome outcome = Evaluate(arena_.Child(id, 0), &radicand);
  if (outcome == ExactOutcome::kValue) outcome = Evaluate(arena_.Child(id, 1), &index);
  if (outcome != ExactOutcome::kValue) return outcome;
  if (!index.IsInteger() || fmpz_sgn(index.num()) <= 0 || fmpz_bits(index.num()) > 10) {
    return ExactOutcome::kNotExact;
  }
  return Root(radicand, fmpz_get_ui(index.num()), value);
}

ExactOutcome ExactEvaluator::Factorial(NodeId id, Rational* value) {
  Rational n;
  const ExactOutcome outcome = Evaluate(arena_.Child(id, 0), &n);
  if (outcome != ExactOutcome::kValue) return outcome;
  if (!n.IsInteger()) return ExactOutcome::kNotExact;
  if (fmpz_sgn(n.num()) < 0) return ExactOutcome::kUndefined;
  if (fmpz_cmp_ui(n.num(), 8000) > 0) return ExactOutcome::kNotExact;
  const ulong count = fmpz_get_ui(n.num());
  if (!Fits(static_cast<int64_t>(count) * 14)) return ExactOutcome::kNotExact;
  fmpq_one(value->get());
  if (arena_.Is(id, NodeKind::kFactorial)) {
    fmpz_fac_ui(value->num(), count);
  } else {
    for (ulong k = count; k > 1; k -= 2) fmpz_mul_ui(value->num(), value->num(), k);
  }
  return ExactOutcome::kValue;
}

ExactOutcome ExactEvaluator::Series(NodeId id, Rational* value) {
  Rational from, to;
  ExactOutcome outcome = Evaluate(arena_.Child(id, 2), &from);
  if (outcome == ExactOutcome::kValue) outcome = Evaluate(arena_.Child(id, 3), &to);
  if (outcome != ExactOutcome::kValue) return outcome;
  if (!from.IsInteger() || !to.IsInteger()) return ExactOutcome::kNotExact;
  if (fmpz_bits(from.num()) > 40 || fmpz_bits(to.num()) > 40) return ExactOutcome::kNotExact;
  const int64_t first = fmpz_get_si(from.num());
  const int64_t last = fmpz_get_si(to.num());
  if (last < first - 1) return ExactOutcome::kUndefined;  // no sum runs backwards
  if (last - first >= kMaxSeriesTerms) return ExactOutcome::kNotExact;
  const bool product = arena_[id].op == 1;
  Rational total, term, index;
  if (product) fmpq_one(total.get());
  for (int64_t k = first; k <= last; ++k) {
    fmpq_set_si(index.get(), k, 1);
    Bind(arena_.Text(arena_.Child(id, 1)), index);
    outcome = Evaluate(arena_.Child(id, 0), &term);
    Unbind();
    if (outcome != ExactOutcome::kValue) return outcome;
    if (!Fits(total.Bits() + term.Bits())) return ExactOutcome::kNotExact;
    if (product) {
      fmpq_mul(total.get(), total.get(), term.get());
    } else {
      fmpq_add(total.get(), total.get(), term.get());
    }
  }
  *value = total;
  return ExactOutcome::kValue;
}

}  // namespace cohort::reward::math
