#include "reward/math/algebra/rewrite.h"

#include <algorithm>

#include "reward/math/algebra/calculus.h"
#include "reward/math/algebra/matrix.h"
#include "reward/math/algebra/monomial.h"

namespace cohort::reward::math {
namespace {

std::vector<NodeId> ChildrenOf(const Arena& arena, NodeId id) {
  const auto children = arena.Children(id);
  return {children.begin(), children.end()};
}

// `signs`: bit i is the i-th sign met; a tied expression has one bit for all.
NodeId WithSigns(Arena* arena, NodeId id, unsigned signs, bool tied, unsigned* met) {
  if (!Contains(*arena, id, NodeKind::kPlusMinus)) return id;
  const bool here = arena->Is(id, NodeKind::kPlusMinus);
  const unsigned bit = tied ? 0 : *met;
  if (here) ++*met;
  std::vector<NodeId> children = ChildrenOf(*arena, id);
  for (NodeId& child : children) child = WithSigns(arena, child, signs, tied, met);
  if (!here) return arena->WithChildren(id, children);
  const bool minus = ((signs >> bit) & 1) != ((*arena)[id].op == 1 ? 1u : 0u);
  return minus ? arena->Make(NodeKind::kNegation, {children[0]}) : children[0];
}

unsigned CountSigns(const Arena& arena, NodeId id, bool* tied) {
  unsigned count = arena.Is(id, NodeKind::kPlusMinus) ? 1 : 0;
  if (count == 1 && arena[id].op == 1) *tied = true;
  for (const NodeId child : arena.Children(id)) count += CountSigns(arena, child, tied);
  return count;
}

}  // namespace

bool Contains(const Arena& arena, NodeId id, NodeKind kind) {
  if (arena.Is(id, kind)) return true;
  for (const NodeId child : arena.Children(id)) {
    if (Contains(arena, child, kind)) return true;
  }
  return false;
}

bool HasDecimal(const Arena& arena, NodeId id, int min_digits) {
  if (arena[id].decimals >= min_digits) return true;
  for (const NodeId child : arena.Children(id)) {
    if (HasDecimal(arena, child, min_digits)) return true;
  }
  return false;
}

void CollectSymbols(const Arena& arena, NodeId id, std::set<std::string>* names) {
  if (arena.Is(id, NodeKind::kSymbol) || arena.Is(id, NodeKind::kCall))
    names->insert(arena.Text(id));
  std::set<std::string> inner;
  for (const NodeId child : arena.Children(id)) CollectSymbols(arena, child, &inner);
  if (arena.Is(id, NodeKind::kSeries) || arena.Is(id, NodeKind::kLimit)) {
    inner.erase(arena.Text(arena.Child(id, 1)));
  }
  names->merge(inner);
}

bool HasSymbols(const Arena& arena, NodeId id) {
  std::set<std::string> names;
  if (!Contains(arena, id, NodeKind::kSymbol) && !Contains(arena, id, NodeKind::kCall))
    return false;
  CollectSymbols(arena, id, &names);
  return !names.empty();
}

NodeId Substitute(Arena* arena, NodeId id, const std::string& name, NodeId replacement) {
  if (arena->Is(id, NodeKind::kSymbol)) return arena->Text(id) == name ? replacement : id;
  std::vector<NodeId> children = ChildrenOf(*arena, id);
  if (children.empty()) return id;
  for (NodeId& child : children) child = Substitute(arena, child, name, replacement);
  return arena->WithChildren(id, children);
}

std::vector<NodeId> SignVariants(Arena* arena, NodeId id) {
  bool tied = false;
  const unsigned count = CountSigns(*arena, id, &tied);
  if (count == 0) return {id};
  const unsigned bits = tied ? 1 : count;
  if (bits > 4) return {};
  std::vector<NodeId> variants;
  for (unsigned signs = 0; signs < (1u << bits); ++signs) {
    unsigned met = 0;
    const NodeId variant = WithSigns(arena, id, signs, tied, &met);
    if (variant == kNoNode) return {};
    variants.push_back(variant);
  }
  return variants;
}

NodeId Resolve(Arena* arena, NodeId id) {
  const auto asks = [](const Node& node) {
    const auto f = static_cast<Function>(node.op);
    return node.kind == NodeKind::kDerivative || node.kind == NodeKind::kIntegral ||
           node.kind == NodeKind::kMatrix ||
           (node.kind == NodeKind::kFunction &&
            (f == Function::kDeterminant || f == Function::kTranspose || f == Function::kTrace));
  };
  std::vector<NodeId> children = ChildrenOf(*arena, id);
  for (NodeId& child : children) {
    child = Resolve(arena, child);
    if (child == kNoNode) return kNoNode;
  }
  const NodeId resolved = children.empty() ? id : arena->WithChildren(id, children);
  if (resolved == kNoNode) return kNoNode;
  const Node node = (*arena)[resolved];
  if (node.kind == NodeKind::kDerivative) {
    return Differentiate(arena, arena->Child(resolved, 0), arena->Text(arena->Child(resolved, 1)));
  }
  if (node.kind == NodeKind::kIntegral) return Integrate(arena, resolved);
  const bool gcd =
      node.kind == NodeKind::kFunction && static_cast<Function>(node.op) == Function::kGcd;
  if (gcd && HasSymbols(*arena, resolved)) {
    const NodeId divisor = MonomialGcd(arena, resolved);
    return divisor == kNoNode ? resolved : divisor;
  }
  if (node.kind == NodeKind::kLimit) {
    std::set<std::string> names;
    CollectSymbols(*arena, arena->Child(resolved, 0), &names);
    const bool constant = !names.contains(arena->Text(arena->Child(resolved, 1)));
    return constant ? arena->Child(resolved, 0) : resolved;
  }
  const bool matrices = std::any_of(children.begin(), children.end(), [&](NodeId child) {
    return arena->Is(child, NodeKind::kMatrix);
  });
  if (matrices || asks(node)) return MatrixArithmetic(arena, resolved);
  return resolved;
}

}  // namespace cohort::reward::math
