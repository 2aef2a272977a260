#include "reward/math/value/residue.h"

#include <flint/ulong_extras.h>

#include "reward/math/value/exact_evaluator.h"

namespace cohort::reward::math {
namespace {

class ResidueEvaluator {
 public:
  ResidueEvaluator(const Arena& arena, Work* work) : arena_(arena), work_(*work) {}

  std::optional<uint64_t> Evaluate(NodeId id, uint64_t m) {
    if (!work_.Spend(5)) return std::nullopt;
    if (m == 1) return 0;
    const Node& node = arena_[id];
    switch (node.kind) {
      case NodeKind::kNumber:
        return Literal(id, m);
      case NodeKind::kNegation: {
        const auto value = Evaluate(arena_.Child(id, 0), m);
        return value ? std::optional<uint64_t>(n_negmod(*value, m)) : std::nullopt;
      }
      case NodeKind::kSum:
      case NodeKind::kProduct:
        return Fold(id, m);
      case NodeKind::kPower:
        return Power(arena_.Child(id, 0), arena_.Child(id, 1), m);
      case NodeKind::kFactorial:
        return Factorial(arena_.Child(id, 0), m);
      case NodeKind::kFunction:
        return Modulo(id, m);
      default:
        return std::nullopt;
    }
  }

 private:
  std::optional<uint64_t> Literal(NodeId id, uint64_t m) {
    Rational value;
    if (ExactEvaluator(arena_, &work_).Evaluate(id, &value) != ExactOutcome::kValue)
      return std::nullopt;
    if (!value.IsInteger()) return std::nullopt;
    return fmpz_fdiv_ui(value.num(), m);
  }

  std::optional<uint64_t> Fold(NodeId id, uint64_t m) {
    const bool sum = arena_.Is(id, NodeKind::kSum);
    uint64_t total = sum ? 0 : 1;
    for (const NodeId child : arena_.Children(id)) {
      const auto value = Evaluate(child, m);
      if (!value) return std::nullopt;
      total = sum ? n_addmod(total, *value, m) : n_mulmod2(total, *value, m);
    }
    return total;
  }

  // a^e with e surely large and positive: e modulo phi(m), plus phi(m), which is right for every
  // a once e >= log2 m.
  std::optional<uint64_t> Power(NodeId base, NodeId exponent, uint64_t m) {
    const auto a = Evaluate(base, m);
    if (!a) return std::nullopt;
    Rational exact;
    Work small(200);
    if (ExactEvaluator(arena_, &small).Evaluate(exponent, &exact) == ExactOutcome::kValue) {
      if (!exact.IsInteger() || fmpz_sgn(exact.num()) < 0) return std::nullopt;
      Integer power;
      fmpz_set_ui(power.get(), *a);
      Integer modulus;
      fmpz_set_ui(modulus.get(), m);
      fmpz_powm(power.get(), power.get(), exact.num(), modulus.get());
      return fmpz_get_ui(power.get());
    }
    if (!IsLarge(exponent) || !work_.Spend(500)) return std::nullopt;
    const uint64_t phi = n_euler_phi(m);
    const auto e = Evaluate(exponent, phi);
    if (!e) return std::nullopt;
    const uint64_t inverse = n_preinvert_limb(m);
    return n_mulmod2(n_powmod2_ui_preinv(*a, *e, m, inverse),
                     n_powmod2_ui_preinv(*a, phi, m, inverse), m);
  }

  // A power of whole numbers of at least 2 whose exponent is large or beyond writing out; less a
  // small number perhaps.
  bool IsLarge(NodeId id) const {
    if (arena_.Is(id, NodeKind::kSum)) {
      bool large = false;
      for (const NodeId child : arena_.Children(id)) {
        const bool this_large = IsLarge(child);
        NodeId value = child;
        if (arena_.Is(value, NodeKind::kNegation)) value = arena_.Child(value, 0);
        const Node& node = arena_[value];
        const bool small = node.kind == NodeKind::kNumber && node.den == 1;
        if (!this_large && !small) return false;
        large |= this_large;
      }
      return large;
    }
    if (!arena_.Is(id, NodeKind::kPower)) return false;
    const Node& base = arena_[arena_.Child(id, 0)];
    if (base.kind != NodeKind::kNumber || base.den != 1 || base.num < 2) return false;
    const NodeId exponent = arena_.Child(id, 1);
    const Node& number = arena_[exponent];
    return (number.kind == NodeKind::kNumber && number.den == 1 && number.num >= 100) ||
           Above(exponent, 100) || IsLarge(exponent);
  }

  bool Above(NodeId id, int64_t bound) const {
    Rational value;
    Work small(200);
    return ExactEvaluator(arena_, &small).Evaluate(id, &value) == ExactOutcome::kValue &&
           fmpq_cmp_si(value.get(), bound) > 0;
  }

  std::optional<uint64_t> Factorial(NodeId argument, uint64_t m) {
    Rational n;
    if (ExactEvaluator(arena_, &work_).Evaluate(argument, &n) != ExactOutcome::kValue ||
        !n.IsInteger() || fmpz_sgn(n.num()) < 0 || fmpz_cmp_ui(n.num(), 1'200'000) > 0) {
      return std::nullopt;
    }
    if (!work_.Spend(4000)) return std::nullopt;
    return n_factorial_mod2_preinv(fmpz_get_ui(n.num()), m, n_preinvert_limb(m));
  }

  std::optional<uint64_t> Modulo(NodeId id, uint64_t m) {
    if (static_cast<Function>(arena_[id].op) != Function::kModulo) return std::nullopt;
    const Node& divisor = arena_[arena_.Child(id, 1)];
    if (divisor.kind != NodeKind::kNumber || divisor.den != 1 || divisor.num < 1)
      return std::nullopt;
    const auto value = Evaluate(arena_.Child(id, 0), static_cast<uint64_t>(divisor.num));
    return value ? std::optional<uint64_t>(*value % m) : std::nullopt;
  }

  const Arena& arena_;
  Work& work_;
};

}  // namespace

std::optional<uint64_t> Residue(const Arena& arena, NodeId id, uint64_t modulus, Work* work) {
  UseFlintOnThisThread();
  return ResidueEvaluator(arena, work).Evaluate(id, modulus);
}

}  // namespace cohort::reward::math
