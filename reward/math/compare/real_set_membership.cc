// Whether a set of reals holds a point.

#include <algorithm>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/real_set.h"

namespace cohort::reward::math {
namespace {

bool Satisfies(int sign, char op) {
  switch (op) {
    case kEqual:
      return sign == 0;
    case kLess:
      return sign < 0;
    case kGreater:
      return sign > 0;
    case kLessEqual:
      return sign <= 0;
    case kGreaterEqual:
      return sign >= 0;
    default:
      return sign != 0;
  }
}

}  // namespace

std::optional<bool> RealLine::Holds(NodeId set, NodeId point, const std::string& variable) {
  if (point == kNoNode) return std::nullopt;
  const Node node = arena_[set];
  const auto child = [&](size_t i) { return Holds(arena_.Child(set, i), point, variable); };
  switch (node.kind) {
    case NodeKind::kInterval:
    case NodeKind::kTuple:
      return HoldsInterval(set, point);
    case NodeKind::kUnion:
    case NodeKind::kIntersection:
    case NodeKind::kDifference: {
      const auto a = child(0);
      const auto b = child(1);
      if (!a || !b) return std::nullopt;
      if (node.kind == NodeKind::kUnion) return *a || *b;
      return node.kind == NodeKind::kIntersection ? *a && *b : *a && !*b;
    }
    case NodeKind::kNumberSet:
      return true;
    case NodeKind::kEmptySet:
      return false;
    case NodeKind::kRelation:
      return HoldsRelation(set, point, variable);
    case NodeKind::kMember: {
      const auto in = child(1);
      if (!in) return std::nullopt;
      return node.op == 1 ? !*in : *in;
    }
    case NodeKind::kSetBuilder:
      return child(1);
    case NodeKind::kSum: {
      if (!IsRealSet(arena_, set)) break;
      const auto a = child(0);
      const auto b = Holds(arena_.Child(arena_.Child(set, 1), 0), point, variable);
      if (!a || !b) return std::nullopt;
      return *a && !*b;
    }
    case NodeKind::kSet:
    case NodeKind::kList:
      return HoldsAny(set, point, variable);
    default:
      break;
  }
  const auto order = order_(set, point);
  return order ? std::optional<bool>(*order == 0) : std::nullopt;
}

std::optional<bool> RealLine::HoldsInterval(NodeId set, NodeId point) {
  const Node node = arena_[set];
  const uint8_t closed = node.kind == NodeKind::kInterval ? node.op : 0;
  for (size_t i = 0; i < 2; ++i) {
    const NodeId end = arena_.Child(set, i);
    if (Contains(arena_, end, NodeKind::kInfinity)) continue;
    const auto order = order_(point, end);
    if (!order) return std::nullopt;
    const bool inside = i == 0 ? *order > 0 : *order < 0;
    const bool at_closed_end = *order == 0 && ((closed >> i) & 1) != 0;
    if (!inside && !at_closed_end) return false;
  }
  return true;
}

std::optional<bool> RealLine::HoldsRelation(NodeId relation, NodeId point,
                                            const std::string& variable) {
  const std::string operators = arena_.Text(relation);
  for (size_t i = 0; i < operators.size(); ++i) {
    const NodeId sides[2] = {arena_.Child(relation, i), arena_.Child(relation, i + 1)};
    int sign = 0;
    if (Contains(arena_, sides[0], NodeKind::kInfinity)) {
      sign = arena_.Is(sides[0], NodeKind::kNegation) ? -1 : 1;
    } else if (Contains(arena_, sides[1], NodeKind::kInfinity)) {
      sign = arena_.Is(sides[1], NodeKind::kNegation) ? 1 : -1;
    } else {
      const NodeId left = Substitute(&arena_, sides[0], variable, point);
      const NodeId right = Substitute(&arena_, sides[1], variable, point);
      if (left == kNoNode || right == kNoNode) return std::nullopt;
      const auto order = order_(left, right);
      if (!order) return std::nullopt;
      sign = *order;
    }
    if (!Satisfies(sign, operators[i])) return false;
  }
  return true;
}

// A list of conditions: "and", or a condition of the kind x != 3, narrows; anything else widens.
std::optional<bool> RealLine::HoldsAny(NodeId list, NodeId point, const std::string& variable) {
  bool all = arena_[list].op == 2 && arena_.Is(list, NodeKind::kList);
  for (const NodeId item : arena_.Children(list)) {
    all |= arena_.Is(item, NodeKind::kRelation) && arena_.Text(item) == "!" && arena_[list].op != 1;
  }
  bool any = false;
  bool every = true;
  for (size_t i = 0; i < arena_[list].count; ++i) {
    const auto in = Holds(arena_.Child(list, i), point, variable);
    if (!in) return std::nullopt;
    any |= *in;
    every &= *in;
  }
  return all ? every : any;
}

}  // namespace cohort::reward::math
