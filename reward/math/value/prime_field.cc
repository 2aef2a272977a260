#include "reward/math/value/prime_field.h"

#include <algorithm>

#include "reward/math/value/small_rational.h"

namespace cohort::reward::math {
namespace {

constexpr uint64_t kPrime = PrimeFieldEvaluator::kPrime;

uint64_t Times(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b % kPrime);
}

uint64_t Raised(uint64_t base, uint64_t exponent) {
  uint64_t power = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) power = Times(power, base);
    base = Times(base, base);
  }
  return power;
}

// By Fermat's little theorem; nullopt for zero.
std::optional<uint64_t> Inverse(uint64_t value) {
  return value == 0 ? std::nullopt : std::optional<uint64_t>(Raised(value, kPrime - 2));
}

uint64_t Reduced(int64_t value) {
  const auto prime = static_cast<int64_t>(kPrime);
  return static_cast<uint64_t>((value % prime + prime) % prime);
}

}  // namespace

std::optional<uint64_t> PrimeFieldEvaluator::Evaluate(NodeId id) {
  if (!work_.Spend(1)) return std::nullopt;
  const Node& node = arena_[id];
  switch (node.kind) {
    case NodeKind::kNumber: {
      const auto inverse = node.den == 0 ? std::nullopt : Inverse(Reduced(node.den));
      return inverse ? std::optional<uint64_t>(Times(Reduced(node.num), *inverse)) : std::nullopt;
    }
    case NodeKind::kSymbol: {
      const auto bound = std::find_if(bindings_.begin(), bindings_.end(),
                                      [&](const auto& b) { return b.name == arena_.Text(id); });
      return bound == bindings_.end() ? std::nullopt : std::optional<uint64_t>(bound->value);
    }
    case NodeKind::kNegation: {
      const auto value = Evaluate(arena_.Child(id, 0));
      return value ? std::optional<uint64_t>(*value == 0 ? 0 : kPrime - *value) : std::nullopt;
    }
    case NodeKind::kSum:
    case NodeKind::kProduct: {
      const bool sum = node.kind == NodeKind::kSum;
      uint64_t total = sum ? 0 : 1;
      for (const NodeId child : arena_.Children(id)) {
        const auto value = Evaluate(child);
        if (!value) return std::nullopt;
        total = sum ? (total + *value) % kPrime : Times(total, *value);
      }
      return total;
    }
    case NodeKind::kQuotient: {
      const auto numerator = Evaluate(arena_.Child(id, 0));
      const auto divisor = numerator ? Evaluate(arena_.Child(id, 1)) : std::nullopt;
      const auto inverse = divisor ? Inverse(*divisor) : std::nullopt;
      return inverse ? std::optional<uint64_t>(Times(*numerator, *inverse)) : std::nullopt;
    }
    case NodeKind::kPower:
      return Power(id);
    default:
      return std::nullopt;
  }
}

std::optional<uint64_t> PrimeFieldEvaluator::Power(NodeId id) {
  const auto exponent = SmallValue(arena_, arena_.Child(id, 1));
  const auto base = exponent && exponent->den == 1 ? Evaluate(arena_.Child(id, 0)) : std::nullopt;
  if (!base || !work_.Spend(2)) return std::nullopt;
  if (exponent->num > 0) return Raised(*base, static_cast<uint64_t>(exponent->num));
  if (exponent->num == INT64_MIN) return std::nullopt;
  const auto inverse = Inverse(*base);
  return inverse ? std::optional<uint64_t>(Raised(*inverse, static_cast<uint64_t>(-exponent->num)))
                 : std::nullopt;
}

}  // namespace cohort::reward::math
