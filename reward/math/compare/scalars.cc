// Single values: units, percent, degrees, ratios, words.

#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/compare.h"
#include "reward/math/extract/plain_text.h"
#include "reward/math/parse/units.h"
#include "reward/math/value/ball_value.h"

namespace cohort::reward::math {

// The value before a suffix, a sign in front of it kept: -50% as -50. kNoNode where there is none.
NodeId Comparer::Strip(NodeId id, Kind suffix) {
  if (arena_.Is(id, suffix)) return arena_.Child(id, 0);
  if (!arena_.Is(id, Kind::kNegation) || !arena_.Is(arena_.Child(id, 0), suffix)) return kNoNode;
  return arena_.Make(Kind::kNegation, {arena_.Child(arena_.Child(id, 0), 0)});
}

Verdict Comparer::Scalars(NodeId gold, NodeId pred) {
  const bool text_gold = arena_.Is(gold, Kind::kText);
  const bool text_pred = arena_.Is(pred, Kind::kText);
  if (text_gold && text_pred) {
    const bool same = SameWords(arena_.Text(gold), arena_.Text(pred));
    return Decided(same ? Verdict::kEqual : Verdict::kUnequal, "text");
  }
  if (text_gold || text_pred) {
    const NodeId words = text_gold ? gold : pred;
    const NodeId value = text_gold ? pred : gold;
    const auto number =
        conventions_.number_words ? NumberInWords(arena_.Text(words)) : std::nullopt;
    if (!number) return Decided(Verdict::kUnequal, "text");
    return Compare(arena_.MakeInteger(*number), value);
  }
  if (arena_.Is(gold, Kind::kQuantity) || arena_.Is(pred, Kind::kQuantity)) {
    return Quantities(gold, pred);
  }
  if (arena_.Is(gold, Kind::kRatio) || arena_.Is(pred, Kind::kRatio)) return Ratios(gold, pred);
  if (Strip(gold, Kind::kPercent) != kNoNode || Strip(pred, Kind::kPercent) != kNoNode) {
    return Percents(gold, pred);
  }
  if (HasDegrees(arena_, gold) || HasDegrees(arena_, pred)) return Degrees(gold, pred);
  return Values(gold, pred);
}

Verdict Comparer::Quantities(NodeId gold, NodeId pred) {
  const auto unit_of = [&](NodeId id) {
    return arena_.Is(id, Kind::kQuantity) ? ParseUnit(arena_.Text(id)) : std::nullopt;
  };
  const auto left = unit_of(gold);
  const auto right = unit_of(pred);
  const auto value_of = [&](NodeId id) {
    return arena_.Is(id, Kind::kQuantity) ? arena_.Child(id, 0) : id;
  };
  NodeId a = value_of(gold);
  NodeId b = value_of(pred);
  if (!left || !right) {
    if (!conventions_.units && left.has_value() != right.has_value()) {
      return Decided(Verdict::kUnequal, "unit");
    }
    return Compare(a, b);
  }
  if (left->dimension != right->dimension) return Decided(Verdict::kUnequal, "unit");
  const auto scaled = [&](NodeId value, const Unit& unit) {
    if (unit.num == 1 && unit.den == 1) return value;
    const NodeId scale =
        arena_.Make(Kind::kQuotient, {arena_.MakeInteger(unit.num), arena_.MakeInteger(unit.den)});
    return arena_.Make(Kind::kProduct, {value, scale});
  };
  if (left->num == right->num && left->den == right->den) return Compare(a, b);
  a = scaled(a, *left);
  b = scaled(b, *right);
  return a == kNoNode || b == kNoNode ? Verdict::kUndecided : Compare(a, b);
}

Verdict Comparer::Ratios(NodeId gold, NodeId pred) {
  if (!arena_.Is(gold, Kind::kRatio)) std::swap(gold, pred);
  if (!arena_.Is(pred, Kind::kRatio)) {
    if (arena_[gold].count != 2) return Decided(Verdict::kUnequal, "ratio");
    const NodeId quotient =
        arena_.Make(Kind::kQuotient, {arena_.Child(gold, 0), arena_.Child(gold, 1)});
    return Compare(quotient, pred);
  }
  if (arena_[gold].count != arena_[pred].count) return Decided(Verdict::kUnequal, "ratio");
  for (size_t i = 1; i < arena_[gold].count; ++i) {
    const auto cross = [&](NodeId x, NodeId y) { return arena_.Make(Kind::kProduct, {x, y}); };
    const NodeId a = cross(arena_.Child(gold, 0), arena_.Child(pred, i));
    const NodeId b = cross(arena_.Child(gold, i), arena_.Child(pred, 0));
    if (a == kNoNode || b == kNoNode) return Verdict::kUndecided;
    const Verdict verdict = Compare(a, b);
    if (verdict != Verdict::kEqual) return verdict;
  }
  return Decided(Verdict::kEqual, "ratio");
}

Verdict Comparer::Percents(NodeId gold, NodeId pred) {
  const NodeId left = Strip(gold, Kind::kPercent);
  const NodeId right = Strip(pred, Kind::kPercent);
  if (left != kNoNode && right != kNoNode) return Compare(left, right);
  const NodeId bare = left != kNoNode ? left : right;
  const NodeId percent = left != kNoNode ? gold : pred;
  const NodeId other = left != kNoNode ? pred : gold;
  if (arena_.Is(other, Kind::kQuantity)) return Decided(Verdict::kUnequal, "percent");
  if (conventions_.percent && Compare(bare, other) == Verdict::kEqual) return Verdict::kEqual;
  return Values(percent, other);
}

// Degrees on one side only: 45 degrees is 45, and pi/4 as well.
Verdict Comparer::Degrees(NodeId gold, NodeId pred) {
  const Verdict bare = Values(gold, pred);
  const bool left = HasDegrees(arena_, gold);
  if (bare == Verdict::kEqual || left == HasDegrees(arena_, pred)) return bare;
  const NodeId degrees = left ? gold : pred;
  const NodeId radians = arena_.Make(
      Kind::kQuotient, {arena_.Make(Kind::kProduct, {degrees, arena_.Make(Kind::kPi, {})}),
                        arena_.MakeInteger(180)});
  const NodeId other = left ? pred : gold;
  const bool angle = Contains(arena_, other, Kind::kPi) || arena_.Is(other, Kind::kFunction);
  if (!angle || radians == kNoNode) return bare;
  return Values(radians, other);
}

Verdict Comparer::Values(NodeId gold, NodeId pred) {
  // "3 mod 7" is a residue class beside another one, and a number beside a number.
  const auto is_modulo = [&](NodeId id) {
    return arena_.Is(id, Kind::kFunction) &&
           static_cast<Function>(arena_[id].op) == Function::kModulo;
  };
  if (is_modulo(gold) && is_modulo(pred)) {
    const Verdict modulus = Compare(arena_.Child(gold, 1), arena_.Child(pred, 1));
    if (modulus != Verdict::kEqual) return modulus;
  }
  if (!HasSymbols(arena_, gold) && !HasSymbols(arena_, pred)) return Numbers(gold, pred);
  return Expressions(gold, pred);
}

}  // namespace cohort::reward::math
