// Expressions with symbols: at random points, exactly where values are rational, else in balls.
// One point where they differ is a proof; equality is left with a chance of error that shrinks
// with every point (Schwartz, "Fast probabilistic algorithms for verification of polynomial
// identities", J. ACM 27, 1980).

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "base/counter_random.h"
#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/comparer.h"
#include "reward/math/value/ball_evaluator.h"
#include "reward/math/value/prime_field.h"

namespace cohort::reward::math {
namespace {

enum class SampleRange { kLarge, kFraction, kSmallWhole };

void Draw(SampleRange range, base::CounterRandom* random, Rational* value) {
  switch (range) {
    case SampleRange::kLarge:
      fmpq_set_si(value->get(), random->Uniform(-1'000'000, 1'000'000), 1);
      break;
    case SampleRange::kFraction:
      fmpq_set_si(value->get(), random->Uniform(-2000, 2000), 997);
      break;
    case SampleRange::kSmallWhole:
      fmpq_set_si(value->get(), random->Uniform(1, 40), 1);
  }
}

// Whether the name is a term of the sum, or a factor beside a power of e.
bool HasFreeConstant(const Arena& arena, NodeId id, const std::string& name) {
  const bool sum = arena.Is(id, NodeKind::kSum);
  if (!sum && !arena.Is(id, NodeKind::kProduct)) return false;
  bool named = false, power = sum;
  for (const NodeId child : arena.Children(id)) {
    named |= arena.Is(child, NodeKind::kSymbol) && arena.Text(child) == name;
    power |= arena.Is(child, NodeKind::kPower) && arena.Is(arena.Child(child, 0), NodeKind::kEuler);
  }
  return named && power;
}

// The largest unit of a last digit, relative to its decimal, of decimals of that many digits.
double CoarsestDecimal(const Arena& arena, NodeId id, int min_digits) {
  const Node& node = arena[id];
  double coarsest = 0;
  if (node.decimals >= min_digits) {
    const double value = node.den == 0 ? 0 : static_cast<double>(node.num) / node.den;
    coarsest = value == 0 ? 1 : std::pow(10.0, -static_cast<double>(node.places)) / value;
  }
  for (const NodeId child : arena.Children(id)) {
    coarsest = std::max(coarsest, CoarsestDecimal(arena, child, min_digits));
  }
  return coarsest;
}

// The same points for the same question.
constexpr uint64_t kSeed = 0x636F686F7274;
constexpr uint32_t kStream = 1;

}  // namespace

Equality Comparer::Expressions(NodeId gold, NodeId pred) {
  std::set<std::string> names;
  CollectSymbols(arena_, gold, &names);
  std::set<std::string> pred_names;
  CollectSymbols(arena_, pred, &pred_names);
  // e^{I pi}: a capital I that only one side knows is the imaginary unit.
  if (names.contains("I") != pred_names.contains("I")) {
    const NodeId unit = arena_.Make(NodeKind::kImaginary, {});
    gold = Substitute(&arena_, gold, "I", unit);
    pred = Substitute(&arena_, pred, "I", unit);
    if (gold == kNoNode || pred == kNoNode) return Equality::kUndecided;
    names.erase("I");
    pred_names.erase("I");
  }
  if (names != pred_names) {
    pred = WithConstantsLike(gold, pred);
    if (pred == kNoNode) return Equality::kUndecided;
    pred_names.clear();
    CollectSymbols(arena_, pred, &pred_names);
  }
  names.merge(pred_names);
  if (names.empty()) return Numbers(gold, pred);
  if (names.size() > 40) return Decided(Equality::kUnequal, "too many symbols");
  const std::vector<std::string> list(names.begin(), names.end());
  if (const auto verdict = RationalPoints(gold, pred, list)) return *verdict;
  return BallPoints(gold, pred, list);
}

// Constants of integration in the other side's letters: + c as + C, c_1 as C_1. The expression as
// it is where the names that differ are no such constants.
NodeId Comparer::WithConstantsLike(NodeId gold, NodeId pred) {
  std::set<std::string> names, others;
  CollectSymbols(arena_, gold, &names);
  CollectSymbols(arena_, pred, &others);
  std::vector<std::string> wanted, given;
  std::set_difference(names.begin(), names.end(), others.begin(), others.end(),
                      std::back_inserter(wanted));
  std::set_difference(others.begin(), others.end(), names.begin(), names.end(),
                      std::back_inserter(given));
  const bool shared = wanted.size() < names.size();
  if (wanted.empty() || wanted.size() != given.size() || !shared) return pred;
  for (size_t i = 0; i < wanted.size(); ++i) {  // sorted, so that subscripts correspond
    const bool letters = std::string_view("CcKk").find(wanted[i][0]) != std::string_view::npos &&
                         std::string_view("CcKk").find(given[i][0]) != std::string_view::npos;
    if (!letters || wanted[i].substr(1) != given[i].substr(1)) return pred;
    const bool numbered = wanted[i].size() > 1;
    const bool capital = wanted[i] == "C" || given[i] == "C";
    const bool added =
        HasFreeConstant(arena_, gold, wanted[i]) && HasFreeConstant(arena_, pred, given[i]);
    if (!numbered && (!capital || !added)) return pred;
  }
  for (size_t i = 0; i < wanted.size() && pred != kNoNode; ++i) {
    pred = Substitute(&arena_, pred, given[i], arena_.MakeText(NodeKind::kSymbol, wanted[i]));
  }
  return pred;
}

std::optional<Equality> Comparer::RationalPoints(NodeId gold, NodeId pred,
                                                 const std::vector<std::string>& names) {
  if (Contains(arena_, gold, NodeKind::kCall) || Contains(arena_, pred, NodeKind::kCall)) {
    return std::nullopt;
  }
  base::CounterRandom random(kSeed, kStream, 0);
  int agreed = 0;
  int inexact = 0;
  for (int i = 0; i < 16; ++i) {
    const SampleRange range = i < 3   ? SampleRange::kLarge
                              : i < 6 ? SampleRange::kFraction
                                      : SampleRange::kSmallWhole;
    ExactEvaluator evaluator(arena_, &work_);
    Rational value, a, b;
    for (const std::string& name : names) {
      Draw(range, &random, &value);
      evaluator.Bind(name, value);
    }
    const ExactOutcome left = evaluator.Evaluate(gold, &a);
    const ExactOutcome right =
        left == ExactOutcome::kValue ? evaluator.Evaluate(pred, &b) : ExactOutcome::kNotExact;
    if (left == ExactOutcome::kUndefined || right == ExactOutcome::kUndefined) continue;
    if (left != ExactOutcome::kValue || right != ExactOutcome::kValue) {
      // Irrational almost everywhere: balls will decide.
      if (++inexact >= 2 && !Contains(arena_, gold, NodeKind::kSeries) &&
          !Contains(arena_, gold, NodeKind::kFactorial) &&
          !Contains(arena_, gold, NodeKind::kFunction) &&
          !Contains(arena_, pred, NodeKind::kSeries) &&
          !Contains(arena_, pred, NodeKind::kFactorial) &&
          !Contains(arena_, pred, NodeKind::kFunction)) {
        return std::nullopt;
      }
      if (work_.Exhausted()) return FieldPoints(gold, pred, names);
      continue;
    }
    if (!fmpq_equal(a.get(), b.get())) {
      if (Rounded(gold) || Rounded(pred)) return std::nullopt;
      return Decided(Equality::kUnequal, "points");
    }
    ++agreed;
    if (agreed >= 5 && inexact == 0) return Decided(Equality::kEqual, "points");
  }
  if (agreed >= 6) return Decided(Equality::kEqual, "points");
  return std::nullopt;
}

// At points of a prime field, once the rational values outgrew the work: as above, one point is a
// proof of difference.
Equality Comparer::FieldPoints(NodeId gold, NodeId pred, const std::vector<std::string>& names) {
  constexpr int kPoints = 4;
  const Equality undecided = Decided(Equality::kUndecided, "work");
  if (Rounded(gold) || Rounded(pred)) return undecided;
  base::CounterRandom random(kSeed, kStream, 2);
  Work work;
  for (int i = 0; i < kPoints; ++i) {
    PrimeFieldEvaluator evaluator(arena_, &work);
    for (const std::string& name : names) {
      evaluator.Bind(name, random.Next() % PrimeFieldEvaluator::kPrime);
    }
    const auto a = evaluator.Evaluate(gold);
    const auto b = a ? evaluator.Evaluate(pred) : std::nullopt;
    if (!b) return undecided;
    if (*a != *b) return Decided(Equality::kUnequal, "points of a prime field");
  }
  return Decided(Equality::kEqual, "points of a prime field");
}

// The relative error that decimals allow: less than a unit in the last digit of the coarsest one,
// as for numbers, and rel_tol at most.
double Comparer::DecimalError(NodeId gold, NodeId pred) const {
  constexpr double kLess = 1 - 1e-9, kDouble = 1e-10;
  const double coarsest = std::max(CoarsestDecimal(arena_, gold, min_digits_),
                                   CoarsestDecimal(arena_, pred, min_digits_));
  return std::min(conventions_.rel_tol, std::max(coarsest * kLess, kDouble));
}

Equality Comparer::BallPoints(NodeId gold, NodeId pred, const std::vector<std::string>& names) {
  const bool complex =
      Contains(arena_, gold, NodeKind::kImaginary) || Contains(arena_, pred, NodeKind::kImaginary);
  const bool decimal = Rounded(gold) || Rounded(pred);
  const double allowed = decimal ? DecimalError(gold, pred) : 0;
  constexpr int kPoints = 6;
  constexpr int kTries = 120;
  constexpr int kWholeFrom = 100;
  constexpr int64_t kPrecision = 320;
  base::CounterRandom random(kSeed, kStream, 1);
  int agreed = 0;
  for (int i = 0; i < kTries && agreed < kPoints; ++i) {
    BallEvaluator evaluator(arena_, &work_);
    for (const std::string& name : names) {
      // Near 1, of both signs, small and large by turns; whole numbers last.
      int64_t numerator = random.Uniform(1, 3 << 20);
      if (i % 3 == 1 && random.Next() % 2 == 0) numerator = -numerator;
      if (i % 4 == 3) numerator /= 4;
      if (i > 6 && i % 5 == 0) numerator <<= i % 2 == 0 ? 4 : 12;
      if (i >= kWholeFrom) numerator = random.Uniform(1, 30) << 20;
      Ball value;
      acb_set_si(value.get(), numerator);
      acb_mul_2exp_si(value.get(), value.get(), -20);
      evaluator.Bind(name, value);
    }
    Ball a, b;
    bool known = evaluator.Evaluate(gold, 64, &a) && evaluator.Evaluate(pred, 64, &b);
    const bool apart = known && a.IsFinite() && b.IsFinite() && !acb_overlaps(a.get(), b.get());
    if (known && !apart) {
      evaluator.TakeSpread();
      known = evaluator.Evaluate(gold, kPrecision, &a) && evaluator.Evaluate(pred, kPrecision, &b);
    }
    if (work_.Exhausted()) return Decided(Equality::kUndecided, "work");
    if (!known) {
      if (i > 3) i = std::max(i, kWholeFrom - 1);
      continue;
    }
    if (!a.IsFinite() || !b.IsFinite()) continue;
    // Without an imaginary unit every part must be real: sqrt(x) sqrt(y) has no value below zero.
    if (!complex && (evaluator.TakeLeftReals() || !a.IsReal() || !b.IsReal())) continue;
    if (decimal && !acb_contains_zero(a.get())) {
      acb_div(b.get(), b.get(), a.get(), 128);
      acb_sub_ui(b.get(), b.get(), 1, 128);
      acb_abs(a.real(), b.get(), 128);
      arb_set_d(b.real(), allowed);
      if (arb_gt(a.real(), b.real())) return Decided(Equality::kUnequal, "points");
      ++agreed;
      continue;
    }
    if (!acb_overlaps(a.get(), b.get())) return Decided(Equality::kUnequal, "points");
    acb_sub(b.get(), b.get(), a.get(), kPrecision);
    mag_t error;
    mag_init(error);
    acb_get_mag(error, b.get());
    if (mag_cmp_2exp_si(error, -kPrecision / 2) < 0) ++agreed;
    mag_clear(error);
  }
  return Decided(agreed >= kPoints ? Equality::kEqual : Equality::kUnequal, "points");
}

}  // namespace cohort::reward::math
