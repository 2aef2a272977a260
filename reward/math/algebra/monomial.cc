#include "reward/math/algebra/monomial.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <string>

namespace cohort::reward::math {
namespace {

struct Monomial {
  int64_t coefficient = 1;
  std::map<std::string, int64_t> exponents;
};

// Multiplies `monomial` by the factor; false where it is none.
bool MultiplyBy(const Arena& arena, NodeId factor, Monomial* monomial) {
  const Node& node = arena[factor];
  switch (node.kind) {
    case NodeKind::kNumber:
      if (node.den != 1 || node.num == 0 || std::abs(node.num) > 1'000'000) return false;
      monomial->coefficient *= node.num;
      return std::abs(monomial->coefficient) < (int64_t{1} << 40);
    case NodeKind::kSymbol:
      ++monomial->exponents[arena.Text(factor)];
      return true;
    case NodeKind::kPower: {
      const NodeId base = arena.Child(factor, 0);
      const Node& exponent = arena[arena.Child(factor, 1)];
      if (!arena.Is(base, NodeKind::kSymbol) || exponent.kind != NodeKind::kNumber ||
          exponent.den != 1 || exponent.num < 1 || exponent.num > 1000) {
        return false;
      }
      monomial->exponents[arena.Text(base)] += exponent.num;
      return true;
    }
    case NodeKind::kNegation:
    case NodeKind::kProduct: {
      const auto factors = arena.Children(factor);
      return std::all_of(factors.begin(), factors.end(),
                         [&](NodeId f) { return MultiplyBy(arena, f, monomial); });
    }
    default:
      return false;
  }
}

}  // namespace

NodeId MonomialGcd(Arena* arena, NodeId gcd) {
  std::optional<Monomial> common;
  for (const NodeId argument : arena->Children(gcd)) {
    Monomial next;
    if (!MultiplyBy(*arena, argument, &next)) return kNoNode;
    if (!common) {
      common = std::move(next);
      continue;
    }
    common->coefficient = std::gcd(common->coefficient, next.coefficient);
    for (auto& [name, exponent] : common->exponents) {
      const auto found = next.exponents.find(name);
      exponent = found == next.exponents.end() ? 0 : std::min(exponent, found->second);
    }
  }
  if (!common) return kNoNode;
  NodeId product = arena->MakeInteger(std::abs(common->coefficient));
  for (const auto& [name, exponent] : common->exponents) {
    const NodeId power = arena->Make(
        NodeKind::kPower, {arena->MakeText(NodeKind::kSymbol, name), arena->MakeInteger(exponent)});
    if (exponent > 0) product = arena->Make(NodeKind::kProduct, {product, power});
  }
  return product;
}

}  // namespace cohort::reward::math
