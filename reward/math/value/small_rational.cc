#include "reward/math/value/small_rational.h"

namespace cohort::reward::math {
namespace {

using Result = std::optional<SmallRational>;

__int128 Gcd(__int128 a, __int128 b) {
  while (b != 0) {
    const __int128 rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

Result Reduced(__int128 num, __int128 den) {
  if (den == 0) return std::nullopt;
  const __int128 common = Gcd(num, den);
  if (common > 1) {
    num /= common;
    den /= common;
  }
  if (den < 0) {
    num = -num;
    den = -den;
  }
  const __int128 limit = INT64_MAX;
  if (num > limit || num < -limit || den > limit) return std::nullopt;
  return SmallRational{static_cast<int64_t>(num), static_cast<int64_t>(den)};
}

Result Add(SmallRational a, SmallRational b) {
  // Each product is below 2^126, their sum below 2^127.
  return Reduced(static_cast<__int128>(a.num) * b.den + static_cast<__int128>(b.num) * a.den,
                 static_cast<__int128>(a.den) * b.den);
}

Result Multiply(SmallRational a, SmallRational b) {
  return Reduced(static_cast<__int128>(a.num) * b.num, static_cast<__int128>(a.den) * b.den);
}

Result Power(SmallRational base, SmallRational exponent) {
  if (exponent.den != 1 || exponent.num > 64 || exponent.num < -64) return std::nullopt;
  if (base.num == 0 && exponent.num <= 0) return std::nullopt;
  Result power = SmallRational{1, 1};
  for (int64_t i = exponent.num < 0 ? -exponent.num : exponent.num; i > 0 && power; --i) {
    power = Multiply(*power, base);
  }
  return power && exponent.num < 0 ? Reduced(power->den, power->num) : power;
}

}  // namespace

std::optional<SmallRational> SmallValue(const Arena& arena, NodeId id) {
  const Node& node = arena[id];
  switch (node.kind) {
    case NodeKind::kNumber:
      return node.den == 0 ? std::nullopt : Result(SmallRational{node.num, node.den});
    case NodeKind::kNegation: {
      const Result value = SmallValue(arena, arena.Child(id, 0));
      return value ? Result(SmallRational{-value->num, value->den}) : std::nullopt;
    }
    case NodeKind::kSum:
    case NodeKind::kProduct: {
      const bool sum = node.kind == NodeKind::kSum;
      Result total = SmallRational{sum ? 0 : 1, 1};
      for (const NodeId child : arena.Children(id)) {
        const Result value = SmallValue(arena, child);
        if (!value) return std::nullopt;
        total = sum ? Add(*total, *value) : Multiply(*total, *value);
        if (!total) return std::nullopt;
      }
      return total;
    }
    case NodeKind::kQuotient: {
      const Result a = SmallValue(arena, arena.Child(id, 0));
      const Result b = a ? SmallValue(arena, arena.Child(id, 1)) : std::nullopt;
      if (!b || b->num == 0) return std::nullopt;
      return Reduced(static_cast<__int128>(a->num) * b->den,
                     static_cast<__int128>(a->den) * b->num);
    }
    case NodeKind::kPower: {
      const Result base = SmallValue(arena, arena.Child(id, 0));
      const Result exponent = base ? SmallValue(arena, arena.Child(id, 1)) : std::nullopt;
      return exponent ? Power(*base, *exponent) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace cohort::reward::math
