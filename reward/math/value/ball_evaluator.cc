#include "reward/math/value/ball_evaluator.h"

#include <algorithm>
#include <utility>

namespace cohort::reward::math {

bool HasDegrees(const Arena& arena, NodeId id) {
  if (arena.Is(id, NodeKind::kDegrees)) return true;
  if (arena.Is(id, NodeKind::kFunction)) return false;
  for (const NodeId child : arena.Children(id)) {
    if (HasDegrees(arena, child)) return true;
  }
  return false;
}

bool BallEvaluator::Evaluate(NodeId id, int64_t precision, Ball* value) {
  const int64_t outer = std::exchange(precision_, precision);
  const bool known = Step(id, value);
  precision_ = outer;
  return known;
}

// Magnitudes far from 1 need that many more bits before two sums may count as equal.
void BallEvaluator::Note(const Ball& value) {
  if (!value.IsReal()) left_reals_ = true;
  if (acb_is_zero(value.get()) || !value.IsFinite()) return;
  mag_t bound;
  mag_init(bound);
  acb_get_mag(bound, value.get());
  const bool small = fmpz_bits(MAG_EXPREF(bound)) < 40;
  const int64_t exponent = small ? std::abs(MAG_EXP(bound)) : INT64_MAX / 4;
  mag_clear(bound);
  if (acb_contains_zero(value.get())) return;
  spread_ = std::max(spread_, exponent);
}

bool BallEvaluator::TooLarge(const Ball& exponent) {
  constexpr slong kMaxExponentBits = 36;
  mag_t bound;
  mag_init(bound);
  acb_get_mag(bound, exponent.get());
  const bool large = mag_cmp_2exp_si(bound, kMaxExponentBits) > 0;
  mag_clear(bound);
  return large;
}

bool BallEvaluator::Leaf(NodeId id, Ball* value) {
  switch (arena_[id].kind) {
    case NodeKind::kSymbol: {
      const auto bound = std::find_if(bindings_.rbegin(), bindings_.rend(),
                                      [&](const auto& b) { return b.name == arena_.Text(id); });
      if (bound == bindings_.rend()) return false;
      *value = bound->value;
      return true;
    }
    case NodeKind::kPi:
      acb_const_pi(value->get(), precision_);
      return true;
    case NodeKind::kEuler:
      arb_const_e(value->real(), precision_);
      arb_zero(value->imag());
      return true;
    case NodeKind::kImaginary:
      acb_onei(value->get());
      return true;
    default:
      return Call(id, value);
  }
}

bool BallEvaluator::Step(NodeId id, Ball* value) {
  if (!work_.Spend(2 + precision_ / 128)) return false;
  const Node& node = arena_[id];
  bool known = true;
  switch (node.kind) {
    case NodeKind::kNumber:
      known = Literal(id, value);
      break;
    case NodeKind::kSymbol:
    case NodeKind::kPi:
    case NodeKind::kEuler:
    case NodeKind::kImaginary:
    case NodeKind::kCall:
      return Leaf(id, value);
    case NodeKind::kNegation:
      known = Step(arena_.Child(id, 0), value);
      acb_neg(value->get(), value->get());
      return known;
    case NodeKind::kSum:
    case NodeKind::kProduct:
      known = Fold(id, value);
      break;
    case NodeKind::kQuotient: {
      Ball divisor;
      known = Step(arena_.Child(id, 0), value) && Step(arena_.Child(id, 1), &divisor);
      if (known) acb_div(value->get(), value->get(), divisor.get(), precision_);
      break;
    }
    case NodeKind::kPower:
      known = Power(id, value);
      break;
    case NodeKind::kRoot:
      known = Root(id, value);
      break;
    case NodeKind::kFactorial:
    case NodeKind::kDoubleFactorial:
      known = Factorial(id, value);
      break;
    case NodeKind::kFunction:
      known = NamedFunction(id, value);
      break;
    case NodeKind::kSeries:
      known = Series(id, value);
      break;
    case NodeKind::kLimit:
      return Limit(id, value);
    case NodeKind::kPercent:
      known = Step(arena_.Child(id, 0), value);
      acb_div_ui(value->get(), value->get(), 100, precision_);
      return known;
    case NodeKind::kDegrees:
    case NodeKind::kQuantity:
    case NodeKind::kBaseNumeral:
      return Step(arena_.Child(id, 0), value);
    default:
      return false;
  }
  if (known) Note(*value);
  return known;
}

bool BallEvaluator::Literal(NodeId id, Ball* value) {
  const Node& node = arena_[id];
  acb_set_si(value->get(), node.num);
  if (node.den == 1) return true;
  if (node.den != 0) {
    acb_div_si(value->get(), value->get(), node.den, precision_);
    return true;
  }
  Rational exact;
  if (ExactEvaluator(arena_, &work_).Evaluate(id, &exact) != ExactOutcome::kValue) return false;
  arb_set_fmpq(value->real(), exact.get(), precision_);
  arb_zero(value->imag());
  return true;
}

bool BallEvaluator::Fold(NodeId id, Ball* value) {
  const bool sum = arena_.Is(id, NodeKind::kSum);
  Ball total, next;
  if (!sum) acb_one(total.get());
  for (const NodeId child : arena_.Children(id)) {
    if (!Step(child, &next)) return false;
    if (sum) {
      acb_add(total.get(), total.get(), next.get(), precision_);
    } else {
      acb_mul(total.get(), total.get(), next.get(), precision_);
    }
  }
  *value = total;
  return true;
}

bool BallEvaluator::Power(NodeId id, Ball* value) {
  const NodeId base_id = arena_.Child(id, 0);
  const NodeId exponent = arena_.Child(id, 1);
  if (arena_.Is(base_id, NodeKind::kEuler)) {
    if (!Step(exponent, value) || TooLarge(*value)) return false;
    acb_exp(value->get(), value->get(), precision_);
    return true;
  }
  Ball base;
  return Step(base_id, &base) && PowerOf(base, exponent, value);
}

bool BallEvaluator::PowerOf(const Ball& base, NodeId exponent, Ball* value) {
  Rational exact;
  ExactEvaluator evaluator(arena_, &work_);
  if (evaluator.Evaluate(exponent, &exact) == ExactOutcome::kValue &&
      fmpz_bits(exact.den()) <= 10 && fmpz_bits(exact.num()) <= 36) {
    if (exact.IsInteger()) {
      if (acb_is_zero(base.get()) && fmpz_sgn(exact.num()) <= 0) {
        acb_indeterminate(value->get());
      } else {
        acb_pow_fmpz(value->get(), base.get(), exact.num(), precision_);
      }
      return true;
    }
    const uint64_t index = fmpz_get_ui(exact.den());
    Ball root;
    if (index == 2) {
      acb_sqrt(root.get(), base.get(), precision_);
    } else if (!OddRoot(base, index, &root)) {
      return false;
    }
    acb_pow_fmpz(value->get(), root.get(), exact.num(), precision_);
    return true;
  }
  Ball power;
  if (!Step(exponent, &power)) return false;
  if (acb_is_zero(base.get())) {
    const bool zero = power.IsReal() && arb_is_positive(power.real());
    zero ? acb_zero(value->get()) : acb_indeterminate(value->get());
    return true;
  }
  if (acb_is_int(power.get()) && !TooLarge(power)) {
    acb_pow(value->get(), base.get(), power.get(), precision_);
    return true;
  }
  acb_log(value->get(), base.get(), precision_);
  acb_mul(value->get(), value->get(), power.get(), precision_);
  if (TooLarge(*value)) return false;
  acb_exp(value->get(), value->get(), precision_);
  return true;
}

bool BallEvaluator::OddRoot(const Ball& base, uint64_t index, Ball* value) {
  const bool flip = index % 2 == 1 && base.IsReal() && arb_is_negative(base.real());
  if (flip) {
    acb_neg(value->get(), base.get());
    acb_root_ui(value->get(), value->get(), index, precision_);
    acb_neg(value->get(), value->get());
  } else {
    acb_root_ui(value->get(), base.get(), index, precision_);
  }
  return true;
}

bool BallEvaluator::Root(NodeId id, Ball* value) {
  Ball base;
  if (!Step(arena_.Child(id, 0), &base)) return false;
  const Node& index = arena_[arena_.Child(id, 1)];
  if (index.kind == NodeKind::kNumber && index.den == 1 && index.num >= 1 && index.num <= 1000) {
    if (index.num != 2) return OddRoot(base, static_cast<uint64_t>(index.num), value);
    acb_sqrt(value->get(), base.get(), precision_);
    return true;
  }
  Ball power;
  if (!Step(arena_.Child(id, 1), &power)) return false;
  acb_inv(power.get(), power.get(), precision_);
  acb_pow(value->get(), base.get(), power.get(), precision_);
  return true;
}

// A function without a definition: a value that depends on its name and its arguments' spelling.
bool BallEvaluator::Call(NodeId id, Ball* value) {
  const Hash hash = arena_[id].hash;
  acb_set_ui(value->get(), static_cast<ulong>(hash >> 76));
  acb_mul_2exp_si(value->get(), value->get(), -51);
  return true;
}

// The body very near the point, with a radius that covers what a smooth body can still change.
bool BallEvaluator::Limit(NodeId id, Ball* value) {
  constexpr int64_t kNearness = 1200;
  if (nested_limits_ > 0) return false;
  const NodeId point = arena_.Child(id, 2);
  const bool left = arena_[id].op == 1;
  Ball at, step;
  const int64_t outer = precision_;
  acb_one(step.get());
  acb_mul_2exp_si(step.get(), step.get(), -kNearness);
  const bool down = arena_.Is(point, NodeKind::kNegation) &&
                    arena_.Is(arena_.Child(point, 0), NodeKind::kInfinity);
  if (down || arena_.Is(point, NodeKind::kInfinity)) {
    acb_inv(at.get(), step.get(), precision_);
    if (down) acb_neg(at.get(), at.get());
  } else {
    precision_ = outer + 3 * kNearness;
    const bool known = Step(point, &at);
    if (left) acb_neg(step.get(), step.get());
    acb_add(at.get(), at.get(), step.get(), precision_);
    precision_ = outer;
    if (!known) return false;
  }
  Bind(arena_.Text(arena_.Child(id, 1)), at);
  ++nested_limits_;
  const bool known = Evaluate(arena_.Child(id, 0), outer + 3 * kNearness, value);
  --nested_limits_;
  Unbind();
  spread_ = 0;
  if (!known || !value->IsFinite()) return false;
  mag_t error;
  mag_init(error);
  acb_get_mag(error, value->get());
  mag_add_ui(error, error, 1);
  mag_mul_2exp_si(error, error, -kAgreementBits - 60);
  acb_add_error_mag(value->get(), error);
  mag_clear(error);
  return true;
}

}  // namespace cohort::reward::math
