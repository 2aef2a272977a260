// Named functions of complex balls.

#include <acb_hypgeom.h>

#include "reward/math/value/ball_evaluator.h"

namespace cohort::reward::math {
namespace {

using Unary = void (*)(acb_t, const acb_t, slong);

// Arb's own function of that name; nullptr where it has none.
Unary ArbFunction(Function f) {
  switch (f) {
    case Function::kSin:
      return acb_sin;
    case Function::kCos:
      return acb_cos;
    case Function::kTan:
      return acb_tan;
    case Function::kCot:
      return acb_cot;
    case Function::kSec:
      return acb_sec;
    case Function::kCsc:
      return acb_csc;
    case Function::kArcsin:
      return acb_asin;
    case Function::kArccos:
      return acb_acos;
    case Function::kArctan:
      return acb_atan;
    case Function::kSinh:
      return acb_sinh;
    case Function::kCosh:
      return acb_cosh;
    case Function::kTanh:
      return acb_tanh;
    case Function::kCoth:
      return acb_coth;
    case Function::kSech:
      return acb_sech;
    case Function::kCsch:
      return acb_csch;
    case Function::kArsinh:
      return acb_asinh;
    case Function::kArcosh:
      return acb_acosh;
    case Function::kArtanh:
      return acb_atanh;
    case Function::kExp:
      return acb_exp;
    case Function::kLn:
      return acb_log;
    default:
      return nullptr;
  }
}

}  // namespace

bool BallEvaluator::NamedFunction(NodeId id, Ball* value) {
  if (!work_.Spend(20 + precision_ / 16)) return false;
  const auto f = static_cast<Function>(arena_[id].op);
  std::vector<Ball> arguments(arena_[id].count);
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!Step(arena_.Child(id, i), &arguments[i])) return false;
  }
  if (f >= Function::kGcd && f <= Function::kBinomial) return Several(f, arguments, value);
  Ball& x = arguments[0];
  if (f == Function::kLog) {
    Ball base;
    acb_set_ui(base.get(), 10);
    if (arguments.size() == 2) base = arguments[1];
    acb_log(base.get(), base.get(), precision_);
    acb_log(value->get(), x.get(), precision_);
    acb_div(value->get(), value->get(), base.get(), precision_);
    return true;
  }
  if (arguments.size() != 1) return false;
  if (IsTrigonometric(f) && HasDegrees(arena_, arena_.Child(id, 0))) {
    Ball pi;
    acb_const_pi(pi.get(), precision_);
    acb_mul(x.get(), x.get(), pi.get(), precision_);
    acb_div_ui(x.get(), x.get(), 180, precision_);
  }
  return Elementary(f, &x, value);
}

bool BallEvaluator::Elementary(Function f, Ball* x, Ball* value) {
  const bool exponential = f == Function::kExp || (f >= Function::kSinh && f <= Function::kCsch);
  if (exponential && TooLarge(*x)) return false;
  if (const Unary arb = ArbFunction(f)) {
    arb(value->get(), x->get(), precision_);
    return true;
  }
  if (f >= Function::kArccot && f <= Function::kArcsch) return Inverses(f, x, value);
  switch (f) {
    case Function::kAbs:
      acb_abs(value->real(), x->get(), precision_);
      arb_zero(value->imag());
      return true;
    case Function::kReal:
      arb_set(value->real(), x->real());
      arb_zero(value->imag());
      return true;
    case Function::kImaginaryPart:
      arb_set(value->real(), x->imag());
      arb_zero(value->imag());
      return true;
    case Function::kArgument:
      acb_arg(value->real(), x->get(), precision_);
      arb_zero(value->imag());
      return true;
    case Function::kConjugate:
      acb_conj(value->get(), x->get());
      return true;
    case Function::kGamma:
      return Gamma(x, value);
    case Function::kFloor:
    case Function::kCeiling:
    case Function::kSign:
      return RealOnly(f, *x, value);
    default:
      return false;
  }
}

// The inverses of cot, sec, csc and their hyperbolic kin, by those of the reciprocal argument.
bool BallEvaluator::Inverses(Function f, Ball* x, Ball* value) {
  Ball inverse;
  acb_inv(inverse.get(), x->get(), precision_);
  switch (f) {
    case Function::kArccot: {  // in (0, pi)
      Ball quarter;
      acb_atan(value->get(), x->get(), precision_);
      acb_const_pi(quarter.get(), precision_);
      acb_mul_2exp_si(quarter.get(), quarter.get(), -1);
      acb_sub(value->get(), quarter.get(), value->get(), precision_);
      return true;
    }
    case Function::kArcsec:
      acb_acos(value->get(), inverse.get(), precision_);
      return true;
    case Function::kArccsc:
      acb_asin(value->get(), inverse.get(), precision_);
      return true;
    case Function::kArcoth:
      acb_atanh(value->get(), inverse.get(), precision_);
      return true;
    case Function::kArsech:
      acb_acosh(value->get(), inverse.get(), precision_);
      return true;
    case Function::kArcsch:
      acb_asinh(value->get(), inverse.get(), precision_);
      return true;
    default:
      return false;
  }
}

bool BallEvaluator::RealOnly(Function f, const Ball& x, Ball* value) {
  if (!x.IsReal()) return false;
  arb_zero(value->imag());
  if (f == Function::kFloor) {
    arb_floor(value->real(), x.real(), precision_);
  } else if (f == Function::kCeiling) {
    arb_ceil(value->real(), x.real(), precision_);
  } else {
    arb_sgn(value->real(), x.real());
  }
  return true;
}

bool BallEvaluator::Several(Function f, std::vector<Ball>& arguments, Ball* value) {
  if (f == Function::kMax || f == Function::kMin) {
    *value = arguments[0];
    for (const Ball& next : arguments) {
      if (!next.IsReal() || !value->IsReal()) return false;
      if (f == Function::kMax) {
        arb_max(value->real(), value->real(), next.real(), precision_);
      } else {
        arb_min(value->real(), value->real(), next.real(), precision_);
      }
    }
    return true;
  }
  if (arguments.size() != 2) return false;
  Ball& a = arguments[0];
  Ball& b = arguments[1];
  if (f == Function::kModulo) {
    if (!a.IsReal() || !b.IsReal()) return false;
    Ball quotient;
    acb_div(quotient.get(), a.get(), b.get(), precision_);
    arb_floor(quotient.real(), quotient.real(), precision_);
    acb_mul(quotient.get(), quotient.get(), b.get(), precision_);
    acb_sub(value->get(), a.get(), quotient.get(), precision_);
    return true;
  }
  if (f != Function::kBinomial) return false;
  // n! / (k! (n-k)!)
  Ball rest, bottom;
  acb_sub(rest.get(), a.get(), b.get(), precision_);
  for (Ball* part : {&a, &b, &rest}) acb_add_ui(part->get(), part->get(), 1, precision_);
  if (!Gamma(&a, value) || !Gamma(&b, &bottom) || !Gamma(&rest, &b)) return false;
  acb_mul(bottom.get(), bottom.get(), b.get(), precision_);
  acb_div(value->get(), value->get(), bottom.get(), precision_);
  return true;
}

bool BallEvaluator::Gamma(Ball* x, Ball* value) {
  if (!work_.Spend(200 + precision_ / 2) || precision_ > 2600) return false;
  // Beyond this size Stirling's series costs more than a verdict may.
  mag_t size;
  mag_init(size);
  acb_get_mag(size, x->get());
  const bool large = mag_cmp_2exp_si(size, 40) > 0;
  mag_clear(size);
  if (large) return false;
  acb_gamma(value->get(), x->get(), precision_);
  return true;
}

bool BallEvaluator::Factorial(NodeId id, Ball* value) {
  Ball x;
  if (!Step(arena_.Child(id, 0), &x)) return false;
  if (arena_.Is(id, NodeKind::kDoubleFactorial)) {
    Rational exact;
    if (ExactEvaluator(arena_, &work_).Evaluate(id, &exact) != ExactOutcome::kValue) return false;
    arb_set_fmpq(value->real(), exact.get(), precision_);
    arb_zero(value->imag());
    return true;
  }
  const bool small = acb_is_int(x.get()) && arf_cmp_si(arb_midref(x.real()), 2000) < 0 &&
                     arf_sgn(arb_midref(x.real())) >= 0;
  if (small) {
    const slong n = arf_get_si(arb_midref(x.real()), ARF_RND_DOWN);
    arb_fac_ui(value->real(), static_cast<ulong>(n), precision_);
    arb_zero(value->imag());
    return work_.Spend(20 + precision_ / 64);
  }
  acb_add_ui(x.get(), x.get(), 1, precision_);
  return Gamma(&x, value);
}

}  // namespace cohort::reward::math
