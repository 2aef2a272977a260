#include "reward/math/value/exact_value.h"

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

Outcome ExactEvaluator::Evaluate(NodeId id, Rational* value) {
  if (!work_.Spend(1)) return Outcome::kNotExact;
  const Node& node = arena_[id];
  switch (node.kind) {
    case Kind::kNumber:
      return Literal(id, value);
    case Kind::kSymbol: {
      const auto bound = std::find_if(bindings_.rbegin(), bindings_.rend(),
                                      [&](const auto& b) { return b.name == arena_.Text(id); });
      if (bound == bindings_.rend()) return Outcome::kNotExact;
      *value = bound->value;
      return Outcome::kValue;
    }
    case Kind::kNegation: {
      const Outcome outcome = Evaluate(arena_.Child(id, 0), value);
      if (outcome == Outcome::kValue) fmpq_neg(value->get(), value->get());
      return outcome;
    }
    case Kind::kSum:
    case Kind::kProduct:
      return Fold(id, value);
    case Kind::kQuotient:
      return Quotient(id, value);
    case Kind::kPower: {
      Rational base, exponent;
      Outcome outcome = Evaluate(arena_.Child(id, 0), &base);
      if (outcome == Outcome::kValue) outcome = Evaluate(arena_.Child(id, 1), &exponent);
      return outcome == Outcome::kValue ? Power(base, exponent, value) : outcome;
    }
    case Kind::kRoot:
      return RootNode(id, value);
    case Kind::kFactorial:
    case Kind::kDoubleFactorial:
      return Factorial(id, value);
    case Kind::kSeries:
      return Series(id, value);
    case Kind::kFunction:
      return NamedFunction(id, value);
    case Kind::kPercent: {
      const Outcome outcome = Evaluate(arena_.Child(id, 0), value);
      if (outcome == Outcome::kValue) Hundredth(value);
      return outcome;
    }
    case Kind::kDegrees:
    case Kind::kQuantity:
    case Kind::kBaseNumeral:
      return Evaluate(arena_.Child(id, 0), value);
    default:
      return Outcome::kNotExact;
  }
}

Outcome ExactEvaluator::Literal(NodeId id, Rational* value) {
  const Node& node = arena_[id];
  if (node.den != 0) {
    fmpq_set_si(value->get(), node.num, static_cast<ulong>(node.den));
    return Outcome::kValue;
  }
  const auto decimal = ParseDecimal(arena_.Text(id));
  if (!decimal.has_value()) return Outcome::kNotExact;
  const int64_t scale = decimal->exponent - static_cast<int64_t>(decimal->digits.size());
  if (!Fits(4 * static_cast<int64_t>(decimal->digits.size()) + 4 * std::abs(scale))) {
    return Outcome::kNotExact;
  }
  fmpq_zero(value->get());
  if (decimal->digits.empty()) return Outcome::kValue;
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
  return Outcome::kValue;
}

Outcome ExactEvaluator::Fold(NodeId id, Rational* value) {
  const bool sum = arena_.Is(id, Kind::kSum);
  Rational total, next;
  if (!sum) fmpq_one(total.get());
  for (const NodeId child : arena_.Children(id)) {
    const Outcome outcome = Evaluate(child, &next);
    if (outcome != Outcome::kValue) return outcome;
    if (!Fits(total.Bits() + next.Bits())) return Outcome::kNotExact;
    if (sum) {
      fmpq_add(total.get(), total.get(), next.get());
    } else {
      fmpq_mul(total.get(), total.get(), next.get());
    }
  }
  *value = total;
  return Outcome::kValue;
}

Outcome ExactEvaluator::Quotient(NodeId id, Rational* value) {
  Rational a, b;
  Outcome outcome = Evaluate(arena_.Child(id, 0), &a);
  if (outcome != Outcome::kValue) return outcome;
  outcome = Evaluate(arena_.Child(id, 1), &b);
  if (outcome != Outcome::kValue) return outcome;
  if (b.IsZero()) return Outcome::kUndefined;
  if (!Fits(a.Bits() + b.Bits())) return Outcome::kNotExact;
  fmpq_div(value->get(), a.get(), b.get());
  return Outcome::kValue;
}

Outcome ExactEvaluator::WholePower(const Rational& base, const fmpz* exponent, Rational* value) {
  if (base.IsZero() && fmpz_sgn(exponent) <= 0) return Outcome::kUndefined;
  if (fmpz_is_zero(exponent) || (base.IsInteger() && fmpz_is_one(base.num()))) {
    fmpq_one(value->get());
    return Outcome::kValue;
  }
  if (base.IsZero()) {
    fmpq_zero(value->get());
    return Outcome::kValue;
  }
  if (base.IsInteger() && fmpz_is_pm1(base.num())) {  // -1
    fmpq_set_si(value->get(), fmpz_is_even(exponent) ? 1 : -1, 1);
    return Outcome::kValue;
  }
  if (fmpz_bits(exponent) > 24) return Outcome::kNotExact;
  const int64_t e = fmpz_get_si(exponent);
  if (!Fits(base.Bits() * std::abs(e))) return Outcome::kNotExact;
  fmpq_pow_si(value->get(), base.get(), e);
  return Outcome::kValue;
}

// Real values only: a negative base has odd roots.
Outcome ExactEvaluator::Power(const Rational& base, const Rational& exponent, Rational* value) {
  if (exponent.IsInteger()) return WholePower(base, exponent.num(), value);
  if (fmpz_bits(exponent.den()) > 10) return Outcome::kNotExact;
  Rational root;
  const Outcome outcome = Root(base, fmpz_get_ui(exponent.den()), &root);
  if (outcome != Outcome::kValue) return outcome;
  return WholePower(root, exponent.num(), value);
}

Outcome ExactEvaluator::Root(const Rational& radicand, uint64_t index, Rational* value) {
  const bool negative = fmpz_sgn(radicand.num()) < 0;
  if (index == 0) return Outcome::kUndefined;
  if (negative && index % 2 == 0) return Outcome::kNotExact;
  if (!Fits(4 * radicand.Bits())) return Outcome::kNotExact;
  Integer num;
  fmpz_abs(num.get(), radicand.num());
  Rational root;
  const bool exact = fmpz_root(root.num(), num.get(), static_cast<slong>(index)) != 0 &&
                     fmpz_root(root.den(), radicand.den(), static_cast<slong>(index)) != 0;
  if (!exact) {
    fmpz_one(root.den());
    return Outcome::kNotExact;
  }
  if (negative) fmpq_neg(root.get(), root.get());
  *value = root;
  return Outcome::kValue;
}

Outcome ExactEvaluator::RootNode(NodeId id, Rational* value) {
  Rational radicand, index;
  Outcome outcome = Evaluate(arena_.Child(id, 0), &radicand);
  if (outcome == Outcome::kValue) outcome = Evaluate(arena_.Child(id, 1), &index);
  if (outcome != Outcome::kValue) return outcome;
  if (!index.IsInteger() || fmpz_sgn(index.num()) <= 0 || fmpz_bits(index.num()) > 10) {
    return Outcome::kNotExact;
  }
  return Root(radicand, fmpz_get_ui(index.num()), value);
}

Outcome ExactEvaluator::Factorial(NodeId id, Rational* value) {
  Rational n;
  const Outcome outcome = Evaluate(arena_.Child(id, 0), &n);
  if (outcome != Outcome::kValue) return outcome;
  if (!n.IsInteger()) return Outcome::kNotExact;
  if (fmpz_sgn(n.num()) < 0) return Outcome::kUndefined;
  if (fmpz_cmp_ui(n.num(), 8000) > 0) return Outcome::kNotExact;
  const ulong count = fmpz_get_ui(n.num());
  if (!Fits(static_cast<int64_t>(count) * 14)) return Outcome::kNotExact;
  fmpq_one(value->get());
  if (arena_.Is(id, Kind::kFactorial)) {
    fmpz_fac_ui(value->num(), count);
  } else {
    for (ulong k = count; k > 1; k -= 2) fmpz_mul_ui(value->num(), value->num(), k);
  }
  return Outcome::kValue;
}

Outcome ExactEvaluator::Series(NodeId id, Rational* value) {
  Rational from, to;
  Outcome outcome = Evaluate(arena_.Child(id, 2), &from);
  if (outcome == Outcome::kValue) outcome = Evaluate(arena_.Child(id, 3), &to);
  if (outcome != Outcome::kValue) return outcome;
  if (!from.IsInteger() || !to.IsInteger()) return Outcome::kNotExact;
  if (fmpz_bits(from.num()) > 40 || fmpz_bits(to.num()) > 40) return Outcome::kNotExact;
  const int64_t first = fmpz_get_si(from.num());
  const int64_t last = fmpz_get_si(to.num());
  if (last < first - 1) return Outcome::kUndefined;  // no sum runs backwards
  if (last - first >= kMaxSeriesTerms) return Outcome::kNotExact;
  const bool product = arena_[id].op == 1;
  Rational total, term, index;
  if (product) fmpq_one(total.get());
  for (int64_t k = first; k <= last; ++k) {
    fmpq_set_si(index.get(), k, 1);
    Bind(arena_.Text(arena_.Child(id, 1)), index);
    outcome = Evaluate(arena_.Child(id, 0), &term);
    Unbind();
    if (outcome != Outcome::kValue) return outcome;
    if (!Fits(total.Bits() + term.Bits())) return Outcome::kNotExact;
    if (product) {
      fmpq_mul(total.get(), total.get(), term.get());
    } else {
      fmpq_add(total.get(), total.get(), term.get());
    }
  }
  *value = total;
  return Outcome::kValue;
}

}  // namespace cohort::reward::math
