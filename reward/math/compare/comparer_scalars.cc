// Single values: units, percent, degrees, ratios, words.

#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/comparer.h"
#include "reward/math/parse/letter_run.h"
#include "reward/math/parse/number_words.h"
#include "reward/math/parse/plain_text.h"
#include "reward/math/parse/units.h"
#include "reward/math/value/ball_evaluator.h"

namespace cohort::reward::math {

// The value before a suffix, a sign in front of it kept: -50% as -50. kNoNode where there is none.
NodeId Comparer::Strip(NodeId id, NodeKind suffix) {
  if (arena_.Is(id, suffix)) return arena_.Child(id, 0);
  if (!arena_.Is(id, NodeKind::kNegation) || !arena_.Is(arena_.Child(id, 0), suffix))
    return kNoNode;
  return arena_.Make(NodeKind::kNegation, {arena_.Child(arena_.Child(id, 0), 0)});
}

// Words, and runs of letters that may be words; nullopt for two values.
std::optional<Equality> Comparer::Words(NodeId gold, NodeId pred) {
  const auto decided = [&](bool same) {
    return Decided(same ? Equality::kEqual : Equality::kUnequal, "text");
  };
  const bool text_gold = arena_.Is(gold, NodeKind::kText);
  const bool text_pred = arena_.Is(pred, NodeKind::kText);
  const auto run = [&](NodeId id) {
    return arena_.Is(id, NodeKind::kProduct) ? arena_.Text(id) : std::string();
  };
  const std::string left = text_gold ? arena_.Text(gold) : run(gold);
  const std::string right = text_pred ? arena_.Text(pred) : run(pred);
  if (!text_gold && !text_pred) {
    if (left.empty() || right.empty()) return std::nullopt;
    const auto same = SameLetterRun(left, right);
    return same ? std::optional<Equality>(decided(*same)) : std::nullopt;
  }
  if (!left.empty() && !right.empty()) return decided(SameWords(left, right));
  const auto number = conventions_.number_words
                          ? NumberInWords(arena_.Text(text_gold ? gold : pred))
                          : std::nullopt;
  if (!number) return decided(false);
  return Compare(arena_.MakeInteger(*number), text_gold ? pred : gold);
}

Equality Comparer::Scalars(NodeId gold, NodeId pred) {
  if (const auto words = Words(gold, pred)) return *words;
  if (arena_.Is(gold, NodeKind::kQuantity) || arena_.Is(pred, NodeKind::kQuantity)) {
    return Quantities(gold, pred);
  }
  if (arena_.Is(gold, NodeKind::kRatio) || arena_.Is(pred, NodeKind::kRatio))
    return Ratios(gold, pred);
  if (Strip(gold, NodeKind::kPercent) != kNoNode || Strip(pred, NodeKind::kPercent) != kNoNode) {
    return Percents(gold, pred);
  }
  if (HasDegrees(arena_, gold) || HasDegrees(arena_, pred)) return Degrees(gold, pred);
  return Values(gold, pred);
}

Equality Comparer::Quantities(NodeId gold, NodeId pred) {
  const auto unit_of = [&](NodeId id) {
    return arena_.Is(id, NodeKind::kQuantity) ? ParseUnit(arena_.Text(id)) : std::nullopt;
  };
  auto left = unit_of(gold);
  auto right = unit_of(pred);
  // A pound is money as well as a mass; beside a mass it is one.
  for (auto* unit : {&left, &right}) {
    const auto& other = unit == &left ? right : left;
    if (*unit && other && (*unit)->dimension == "pound" && other->dimension == "mass") {
      *unit = Unit{"mass", 45359237, 100000};
    }
  }
  // An angle is no length: 60 degrees beside 60 cm.
  for (const auto& [angle, unit] : {std::pair(gold, right), std::pair(pred, left)}) {
    if (!unit || Strip(angle, NodeKind::kDegrees) == kNoNode) continue;
    const bool fits = unit->dimension == "degree" || unit->dimension == "radian" ||
                      unit->dimension == "celsius" || unit->dimension == "fahrenheit";
    if (!fits) return Decided(Equality::kUnequal, "unit");
  }
  const auto value_of = [&](NodeId id) {
    return arena_.Is(id, NodeKind::kQuantity) ? arena_.Child(id, 0) : id;
  };
  NodeId a = value_of(gold);
  NodeId b = value_of(pred);
  if (!left || !right) {
    if (!conventions_.units && left.has_value() != right.has_value()) {
      return Decided(Equality::kUnequal, "unit");
    }
    return Compare(a, b);
  }
  if (left->dimension != right->dimension) return Decided(Equality::kUnequal, "unit");
  const auto scaled = [&](NodeId value, const Unit& unit) {
    if (unit.num == 1 && unit.den == 1) return value;
    const NodeId scale = arena_.Make(NodeKind::kQuotient,
                                     {arena_.MakeInteger(unit.num), arena_.MakeInteger(unit.den)});
    return arena_.Make(NodeKind::kProduct, {value, scale});
  };
  if (left->num == right->num && left->den == right->den) return Compare(a, b);
  a = scaled(a, *left);
  b = scaled(b, *right);
  return a == kNoNode || b == kNoNode ? Equality::kUndecided : Compare(a, b);
}

Equality Comparer::Ratios(NodeId gold, NodeId pred) {
  if (!arena_.Is(gold, NodeKind::kRatio)) std::swap(gold, pred);
  if (!arena_.Is(pred, NodeKind::kRatio)) {
    if (arena_[gold].count != 2) return Decided(Equality::kUnequal, "ratio");
    const NodeId quotient =
        arena_.Make(NodeKind::kQuotient, {arena_.Child(gold, 0), arena_.Child(gold, 1)});
    return Compare(quotient, pred);
  }
  if (arena_[gold].count != arena_[pred].count) return Decided(Equality::kUnequal, "ratio");
  for (size_t i = 1; i < arena_[gold].count; ++i) {
    const auto cross = [&](NodeId x, NodeId y) { return arena_.Make(NodeKind::kProduct, {x, y}); };
    const NodeId a = cross(arena_.Child(gold, 0), arena_.Child(pred, i));
    const NodeId b = cross(arena_.Child(gold, i), arena_.Child(pred, 0));
    if (a == kNoNode || b == kNoNode) return Equality::kUndecided;
    const Equality verdict = Compare(a, b);
    if (verdict != Equality::kEqual) return verdict;
  }
  return Decided(Equality::kEqual, "ratio");
}

Equality Comparer::Percents(NodeId gold, NodeId pred) {
  const NodeId left = Strip(gold, NodeKind::kPercent);
  const NodeId right = Strip(pred, NodeKind::kPercent);
  if (left != kNoNode && right != kNoNode) return Compare(left, right);
  const NodeId bare = left != kNoNode ? left : right;
  const NodeId percent = left != kNoNode ? gold : pred;
  const NodeId other = left != kNoNode ? pred : gold;
  if (arena_.Is(other, NodeKind::kQuantity)) return Decided(Equality::kUnequal, "percent");
  if (conventions_.percent && Compare(bare, other) == Equality::kEqual) return Equality::kEqual;
  return Values(percent, other);
}

// Degrees on one side only: 45 degrees is 45, and pi/4 as well.
Equality Comparer::Degrees(NodeId gold, NodeId pred) {
  const Equality bare = Values(gold, pred);
  const bool left = HasDegrees(arena_, gold);
  if (bare == Equality::kEqual || left == HasDegrees(arena_, pred)) return bare;
  const NodeId degrees = left ? gold : pred;
  const NodeId radians =
      arena_.Make(NodeKind::kQuotient,
                  {arena_.Make(NodeKind::kProduct, {degrees, arena_.Make(NodeKind::kPi, {})}),
                   arena_.MakeInteger(180)});
  const NodeId other = left ? pred : gold;
  const bool angle =
      Contains(arena_, other, NodeKind::kPi) || arena_.Is(other, NodeKind::kFunction);
  if (!angle || radians == kNoNode) return bare;
  return Values(radians, other);
}

Equality Comparer::Values(NodeId gold, NodeId pred) {
  // "3 mod 7" is a residue class beside another one, and a number beside a number.
  const auto is_modulo = [&](NodeId id) {
    return arena_.Is(id, NodeKind::kFunction) &&
           static_cast<Function>(arena_[id].op) == Function::kModulo;
  };
  if (is_modulo(gold) && is_modulo(pred)) {
    const Equality modulus = Compare(arena_.Child(gold, 1), arena_.Child(pred, 1));
    if (modulus != Equality::kEqual) return modulus;
  }
  if (!HasSymbols(arena_, gold) && !HasSymbols(arena_, pred)) return Numbers(gold, pred);
  return Expressions(gold, pred);
}

}  // namespace cohort::reward::math
