// Constants: exactly where they are rational, else in balls of rising precision, up to the bits
// that a separation bound asks for where they are algebraic.

#include <algorithm>
#include <cmath>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/comparer.h"
#include "reward/math/value/ball_evaluator.h"
#include "reward/math/value/exact_evaluator.h"
#include "reward/math/value/residue.h"
#include "reward/math/value/separation_bound.h"
#include "reward/math/value/small_rational.h"

namespace cohort::reward::math {
namespace {

// Bits of the relative difference |x - y| / |y| as an upper bound, as a double.
bool Within(const Ball& x, const Ball& y, double tolerance) {
  Ball difference, size;
  acb_sub(difference.get(), x.get(), y.get(), 128);
  acb_abs(difference.real(), difference.get(), 128);
  acb_abs(size.real(), y.get(), 128);
  arb_t bound;
  arb_init(bound);
  arb_set_d(bound, tolerance);
  arb_mul(bound, bound, size.real(), 128);
  const bool within = arb_le(difference.real(), bound) != 0;
  arb_clear(bound);
  return within;
}

bool Agree(const Ball& a, const Ball& b, int64_t bits) {
  Ball difference;
  acb_sub(difference.get(), a.get(), b.get(), 4 * kMaxPrecision);
  mag_t error;
  mag_init(error);
  acb_get_mag(error, difference.get());
  const bool agree = mag_cmp_2exp_si(error, -bits) < 0;
  mag_clear(error);
  return agree;
}

// A decimal or an integer as written, perhaps with a sign.
const Node* Literal(const Arena& arena, NodeId id) {
  while (arena.Is(id, NodeKind::kNegation)) id = arena.Child(id, 0);
  return arena.Is(id, NodeKind::kNumber) ? &arena[id] : nullptr;
}

}  // namespace

Equality Comparer::Numbers(NodeId gold, NodeId pred) {
  const auto a = SmallValue(arena_, gold);
  const auto b = a ? SmallValue(arena_, pred) : std::nullopt;
  if (b) {
    if (*a == *b) return Decided(Equality::kEqual, "exact");
    if (!Rounded(gold) && !Rounded(pred)) {
      return Decided(Equality::kUnequal, "exact");
    }
  }
  if (const auto exact = ExactNumbers(gold, pred)) return *exact;
  if (const auto decimals = Decimals(gold, pred)) return *decimals;
  return BallNumbers(gold, pred);
}

std::optional<Equality> Comparer::ExactNumbers(NodeId gold, NodeId pred) {
  Rational a, b;
  ExactEvaluator evaluator(arena_, &work_);
  const ExactOutcome left = evaluator.Evaluate(gold, &a);
  if (left == ExactOutcome::kUndefined) return Decided(Equality::kUnequal, "undefined");
  if (left != ExactOutcome::kValue) return std::nullopt;
  const ExactOutcome right = evaluator.Evaluate(pred, &b);
  if (right == ExactOutcome::kUndefined) return Decided(Equality::kUnequal, "undefined");
  if (right != ExactOutcome::kValue) return std::nullopt;
  if (fmpq_equal(a.get(), b.get())) return Decided(Equality::kEqual, "exact");
  if (Rounded(gold) || Rounded(pred)) {
    return Decimals(gold, pred).value_or(Equality::kUnequal);
  }
  return Decided(Equality::kUnequal, "exact");
}

bool Comparer::Rounded(NodeId id) const { return HasDecimal(arena_, id, min_digits_); }

// Whether the shorter of two literals may be the other one rounded. An integer and a decimal of few
// digits are exact; what a double prints for them is accepted, and what a wider tolerance asks for.
bool Comparer::MayBeRounded(NodeId shorter, NodeId longer) const {
  constexpr int kDoubleDigits = 15;
  return Rounded(shorter) || Literal(arena_, longer)->decimals >= kDoubleDigits ||
         conventions_.rel_tol > Conventions().rel_tol;
}

// Two written-out decimals: the one with fewer places must be the other one rounded.
bool Comparer::RoundsTo(NodeId longer, NodeId shorter) {
  Rational a, b, half;
  ExactEvaluator evaluator(arena_, &work_);
  if (evaluator.Evaluate(longer, &a) != ExactOutcome::kValue ||
      evaluator.Evaluate(shorter, &b) != ExactOutcome::kValue) {
    return false;
  }
  fmpq_sub(a.get(), a.get(), b.get());
  fmpq_abs(a.get(), a.get());
  fmpz_set_ui(half.den(), 10);
  fmpz_pow_ui(half.den(), half.den(), std::min<ulong>(Literal(arena_, shorter)->places, 400));
  fmpz_mul_ui(half.den(), half.den(), 2);
  fmpz_one(half.num());
  return fmpq_cmp(a.get(), half.get()) <= 0;
}

// The rule for rounded decimals; nullopt where neither side is written as one.
std::optional<Equality> Comparer::Decimals(NodeId gold, NodeId pred) {
  const bool decimal_gold = Rounded(gold);
  const bool decimal_pred = Rounded(pred);
  if (!decimal_gold && !decimal_pred) return std::nullopt;
  BallEvaluator evaluator(arena_, &work_);
  Ball a, b;
  if (!evaluator.Evaluate(gold, 128, &a) || !evaluator.Evaluate(pred, 128, &b)) {
    return Decided(work_.Exhausted() ? Equality::kUndecided : Equality::kUnequal, "decimal");
  }
  if (!a.IsFinite() || !b.IsFinite() || !Within(b, a, conventions_.rel_tol)) {
    return Decided(Equality::kUnequal, "decimal");
  }
  const Node* left = Literal(arena_, gold);
  const Node* right = Literal(arena_, pred);
  bool equal = true;
  if (left != nullptr && right != nullptr) {
    const bool left_shorter = left->places < right->places;
    const NodeId shorter = left_shorter ? gold : pred;
    const NodeId longer = left_shorter ? pred : gold;
    equal =
        left->places != right->places && MayBeRounded(shorter, longer) && RoundsTo(longer, shorter);
  } else if (const Node* literal = decimal_gold ? left : right; literal != nullptr) {
    // A literal is right to its last digit, or to as many as a double has.
    const double size = arf_get_d(arb_midref(a.real()), ARF_RND_NEAR);
    const double unit = std::pow(10.0, -static_cast<double>(literal->places));
    const double relative = size == 0 || !std::isfinite(size) ? 1 : unit / std::fabs(size);
    const bool scientific = literal->den == 0;
    constexpr double kLess = 1 - 1e-9;  // a whole unit of the last digit is a digit that is wrong
    equal = scientific || Within(b, a, std::max(relative * kLess, 1e-10));
  }
  return Decided(equal ? Equality::kEqual : Equality::kUnequal, "decimal");
}

Equality Comparer::BallNumbers(NodeId gold, NodeId pred) {
  BallEvaluator evaluator(arena_, &work_);
  int64_t bits = 0;  // the agreement that makes the two equal; 0 while unknown
  bool proof = false;
  for (int64_t precision = 64; precision <= 4 * kMaxPrecision;) {
    Ball a, b;
    evaluator.TakeSpread();
    if (!evaluator.Evaluate(gold, precision, &a) || !evaluator.Evaluate(pred, precision, &b)) {
      if (work_.Exhausted()) return Decided(Equality::kUndecided, "work");
      return Towers(gold, pred, Equality::kUnequal);
    }
    if (!a.IsFinite() || !b.IsFinite()) {
      // Infinite at every precision is undefined.
      if (precision >= 256) return Towers(gold, pred, Equality::kUnequal);
      precision *= 2;
      continue;
    }
    if (!acb_overlaps(a.get(), b.get())) return Decided(Equality::kUnequal, "ball");
    if (bits == 0) {
      const auto separation = SeparationBits(arena_, gold, pred);
      proof = separation.has_value() && *separation <= kMaxPrecision;
      bits =
          proof ? std::max<int64_t>(*separation, 64) : kAgreementBits + 4 * evaluator.TakeSpread();
      if (bits > kMaxPrecision) return Towers(gold, pred, Equality::kUndecided);
    }
    if (precision > bits && Agree(a, b, proof ? bits : kAgreementBits)) {
      return Decided(Equality::kEqual, proof ? "separation bound" : "1000 bits");
    }
    precision = precision <= bits ? std::min(bits + 128, 4 * precision) : 2 * precision;
  }
  return Towers(gold, pred, Equality::kUndecided);
}

// Integers too large to write out: residues differ, or agree modulo three primes of 61 bits.
Equality Comparer::Towers(NodeId gold, NodeId pred, Equality otherwise) {
  for (const uint64_t prime : {2305843009213693951u, 2305843009213693921u, 2305843009213693907u}) {
    const auto a = Residue(arena_, gold, prime, &work_);
    const auto b = a ? Residue(arena_, pred, prime, &work_) : std::nullopt;
    if (!b) return Decided(work_.Exhausted() ? Equality::kUndecided : otherwise, "undecided");
    if (*a != *b) return Decided(Equality::kUnequal, "residues");
  }
  return Decided(Equality::kEqual, "residues");
}

std::optional<int> Comparer::Order(NodeId a, NodeId b) {
  if (arena_[a].hash == arena_[b].hash) return 0;
  if (HasSymbols(arena_, a) || HasSymbols(arena_, b)) return std::nullopt;
  if (Numbers(a, b) == Equality::kEqual) return 0;
  BallEvaluator evaluator(arena_, &work_);
  for (int64_t precision = 64; precision <= 1024; precision *= 4) {
    Ball x, y;
    if (!evaluator.Evaluate(a, precision, &x) || !evaluator.Evaluate(b, precision, &y)) break;
    if (!x.IsReal() || !y.IsReal()) break;
    if (arb_lt(x.real(), y.real())) return -1;
    if (arb_gt(x.real(), y.real())) return 1;
  }
  return std::nullopt;
}

}  // namespace cohort::reward::math
