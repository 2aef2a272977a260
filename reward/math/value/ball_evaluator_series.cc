// Sums and products over a range.

#include "reward/math/value/ball_evaluator.h"

namespace cohort::reward::math {

bool BallEvaluator::Series(NodeId id, Ball* value) {
  Rational from, to;
  ExactEvaluator evaluator(arena_, &work_);
  if (evaluator.Evaluate(arena_.Child(id, 2), &from) != ExactOutcome::kValue) return false;
  if (arena_.Is(arena_.Child(id, 3), NodeKind::kInfinity)) return InfiniteSeries(id, from, value);
  if (evaluator.Evaluate(arena_.Child(id, 3), &to) != ExactOutcome::kValue) return false;
  if (!from.IsInteger() || !to.IsInteger() || fmpz_bits(from.num()) > 40 ||
      fmpz_bits(to.num()) > 40) {
    return false;
  }
  const int64_t first = fmpz_get_si(from.num());
  const int64_t last = fmpz_get_si(to.num());
  if (last < first - 1 || last - first >= kMaxSeriesTerms) return false;
  const bool product = arena_[id].op == 1;
  Ball total, term, index;
  if (product) acb_one(total.get());
  for (int64_t k = first; k <= last; ++k) {
    acb_set_si(index.get(), k);
    Bind(arena_.Text(arena_.Child(id, 1)), index);
    const bool known = Step(arena_.Child(id, 0), &term);
    Unbind();
    if (!known) return false;
    if (product) {
      acb_mul(total.get(), total.get(), term.get(), precision_);
    } else {
      acb_add(total.get(), total.get(), term.get(), precision_);
    }
  }
  *value = total;
  return true;
}

// Term by term while each is at most 3/4 of the one before; the rest is then bounded as a geometric
// series. That the ratio goes on shrinking is taken on trust.
bool BallEvaluator::InfiniteSeries(NodeId id, const Rational& from, Ball* value) {
  if (arena_[id].op == 1 || !from.IsInteger() || fmpz_bits(from.num()) > 30) return false;
  const int64_t first = fmpz_get_si(from.num());
  if (first == 1 && ZetaSeries(id, value)) return true;
  Ball total, term, index;
  mag_t size, before;
  mag_init(size);
  mag_init(before);
  bool done = false;
  for (int64_t k = first; k < first + kMaxSeriesTerms && !done; ++k) {
    acb_set_si(index.get(), k);
    Bind(arena_.Text(arena_.Child(id, 1)), index);
    const bool known = Step(arena_.Child(id, 0), &term);
    Unbind();
    if (!known || !term.IsFinite()) break;
    acb_add(total.get(), total.get(), term.get(), precision_);
    mag_set(before, size);
    acb_get_mag(size, term.get());
    mag_t bound;  // 3/4 of the term before
    mag_init(bound);
    mag_mul_ui(bound, before, 3);
    mag_mul_2exp_si(bound, bound, -2);
    const bool shrinks = mag_cmp(size, bound) <= 0;
    mag_clear(bound);
    if (k > first + 8 && !shrinks) break;
    done = k > first + 8 && mag_cmp_2exp_si(size, -precision_) < 0;
  }
  if (done) {
    mag_mul_ui(size, size, 3);
    acb_add_error_mag(total.get(), size);
    *value = total;
  }
  mag_clear(size);
  mag_clear(before);
  spread_ = 0;  // the small terms are no cancellation
  return done;
}

// The sum of c / k^s over k >= 1.
bool BallEvaluator::ZetaSeries(NodeId id, Ball* value) {
  const NodeId body = arena_.Child(id, 0);
  if (!arena_.Is(body, NodeKind::kQuotient)) return false;
  const NodeId power = arena_.Child(body, 1);
  if (!arena_.Is(power, NodeKind::kPower) ||
      !arena_.Is(arena_.Child(power, 0), NodeKind::kSymbol) ||
      arena_.Text(arena_.Child(power, 0)) != arena_.Text(arena_.Child(id, 1))) {
    return false;
  }
  const Node& s = arena_[arena_.Child(power, 1)];
  const Node& c = arena_[arena_.Child(body, 0)];
  const bool plain = s.kind == NodeKind::kNumber && s.den == 1 && s.num >= 2 && s.num <= 100 &&
                     c.kind == NodeKind::kNumber && c.den == 1;
  if (!plain || !work_.Spend(200 + precision_ / 2)) return false;
  arb_zeta_ui(value->real(), static_cast<ulong>(s.num), precision_);
  arb_zero(value->imag());
  acb_mul_si(value->get(), value->get(), c.num, precision_);
  return true;
}

}  // namespace cohort::reward::math
