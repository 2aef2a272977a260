// Equations, inequalities, memberships and congruences.

#include <algorithm>
#include <set>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/comparer.h"

namespace cohort::reward::math {
namespace {

bool OnlyEqualities(const std::string& operators) {
  return std::all_of(operators.begin(), operators.end(), [](char op) { return op == kEqual; });
}

bool IsCapital(const Arena& arena, NodeId id) {
  return arena.Is(id, NodeKind::kSymbol) && arena.Text(id)[0] >= 'A' && arena.Text(id)[0] <= 'Z';
}

// dy, dx, d^2 y, dx^2
bool IsDifferential(const Arena& arena, NodeId id) {
  if (!arena.Is(id, NodeKind::kProduct) || arena[id].count != 2) return false;
  NodeId first = arena.Child(id, 0);
  if (arena.Is(first, NodeKind::kPower)) first = arena.Child(first, 0);
  return arena.Is(first, NodeKind::kSymbol) && arena.Text(first) == "d";
}

char Flipped(char op) {
  switch (op) {
    case kLess:
      return kGreater;
    case kGreater:
      return kLess;
    case kLessEqual:
      return kGreaterEqual;
    case kGreaterEqual:
      return kLessEqual;
    default:
      return op;
  }
}

}  // namespace

// Whether an equation with this left side gives the answer on its right side: x, f(x), (p, q), AB,
// P(A), sin A, a ratio of names, words.
bool Comparer::IsName(NodeId id) const {
  const auto all = [&](auto matches) {
    const auto children = arena_.Children(id);
    return std::all_of(children.begin(), children.end(), matches);
  };
  const auto is_symbol = [&](NodeId child) { return arena_.Is(child, NodeKind::kSymbol); };
  switch (arena_[id].kind) {
    case NodeKind::kSymbol:
    case NodeKind::kText:
    case NodeKind::kCall:
    case NodeKind::kEuler:
      return true;
    case NodeKind::kTuple:
    case NodeKind::kRatio:
    case NodeKind::kSet:
    case NodeKind::kMatrix:
      return all([&](NodeId child) { return IsName(child); });
    case NodeKind::kProduct: {
      const bool capitals = all([&](NodeId child) { return IsCapital(arena_, child); });
      const bool points =  // d(A, B)
          arena_[id].count == 2 && is_symbol(arena_.Child(id, 0)) &&
          arena_.Is(arena_.Child(id, 1), NodeKind::kTuple) &&
          std::all_of(arena_.Children(arena_.Child(id, 1)).begin(),
                      arena_.Children(arena_.Child(id, 1)).end(),
                      [&](NodeId point) { return IsCapital(arena_, point); });
      return capitals || points ||
             (arena_[id].count == 2 && IsCapital(arena_, arena_.Child(id, 0)) && all(is_symbol));
    }
    case NodeKind::kFunction: {
      const auto f = static_cast<Function>(arena_[id].op);
      if (f >= Function::kGcd && f <= Function::kMin) {
        return all([&](NodeId child) { return IsName(child); });
      }
      const bool named = IsTrigonometric(f) || f == Function::kAbs || f == Function::kDegree ||
                         f == Function::kConjugate || f == Function::kReal ||
                         f == Function::kImaginaryPart || f == Function::kArgument;
      return named && (IsName(arena_.Child(id, 0)) ||
                       (IsTrigonometric(f) && NamesAngles(arena_.Child(id, 0))));
    }
    case NodeKind::kQuotient:
      return all([&](NodeId child) { return IsCapitalName(child); }) ||
             all([&](NodeId child) { return IsDifferential(arena_, child); });
    default:
      return false;
  }
}

// A segment, an area or a point: AB, S_1, \\overline{AB}.
bool Comparer::IsCapitalName(NodeId id) const {
  if (IsCapital(arena_, id)) return true;
  if (arena_.Is(id, NodeKind::kSymbol)) return arena_.Text(id).starts_with("overline ");
  const auto children = arena_.Children(id);
  return arena_.Is(id, NodeKind::kProduct) &&
         std::all_of(children.begin(), children.end(),
                     [&](NodeId child) { return IsCapital(arena_, child); });
}

// A sum or multiple of angles that Greek letters or capitals name: alpha + beta, 2A.
bool Comparer::NamesAngles(NodeId id) const {
  std::set<std::string> names;
  CollectSymbols(arena_, id, &names);
  return !names.empty() && std::all_of(names.begin(), names.end(), [](const std::string& name) {
    const bool greek = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == std::string::npos &&
                       name.size() > 1;
    return greek || (name[0] >= 'A' && name[0] <= 'Z');
  });
}

// x = 1/3 ~ 0.33 is x = 1/3; x ~ 11 is x = 11.
NodeId Comparer::WithoutApproximation(NodeId id) {
  if (!arena_.Is(id, NodeKind::kRelation)) return id;
  std::string operators = arena_.Text(id);
  const size_t at = operators.find(kApproximately);
  if (at == std::string::npos) return id;
  const auto children = arena_.Children(id);
  std::vector<NodeId> sides(children.begin(), children.end());
  if (at == 0 && IsName(sides[0])) {
    operators[0] = kEqual;
    return WithoutApproximation(arena_.Make(NodeKind::kRelation, sides, 0, operators));
  }
  sides.resize(at + 1);
  operators.resize(at);
  return at == 0 ? sides[0] : arena_.Make(NodeKind::kRelation, sides, 0, operators);
}

// The value that a chain of equalities states; the chain itself where it states none.
NodeId Comparer::ValueOfChain(NodeId id) {
  const size_t count = arena_[id].count;
  const NodeId first = arena_.Child(id, 0);
  const NodeId last = arena_.Child(id, count - 1);
  if (IsName(first)) return last;
  if (count == 2 && IsName(last)) return first;
  const auto sides = arena_.Children(id);
  const bool constant = std::none_of(sides.begin(), sides.end(),
                                     [&](NodeId side) { return HasSymbols(arena_, side); });
  if (constant) return last;
  // An identity: every side says the same.
  for (size_t i = 0; i + 1 < count; ++i) {
    if (Compare(arena_.Child(id, i), arena_.Child(id, i + 1)) != Equality::kEqual) return id;
  }
  return last;
}

NodeId Comparer::Unwrapped(NodeId id, NodeId other) {
  if (arena_.Is(id, NodeKind::kMember) && arena_[id].op == 0) {
    const bool set = arena_.Is(other, NodeKind::kMember) || arena_.Is(other, NodeKind::kRelation) ||
                     (arena_.Is(other, NodeKind::kList) && IsRealSet(arena_, other));
    return set || !IsName(arena_.Child(id, 0)) ? id : arena_.Child(id, 1);
  }
  if (!arena_.Is(id, NodeKind::kRelation) || !OnlyEqualities(arena_.Text(id))) return id;
  if (!conventions_.assignments) return id;
  if (arena_.Is(other, NodeKind::kMember)) {
    return IsName(arena_.Child(id, 0)) ? ValueOfChain(id) : id;
  }
  if (!arena_.Is(other, NodeKind::kRelation)) return ValueOfChain(id);
  const size_t count = arena_[id].count;
  if (count == 2 || !IsName(arena_.Child(id, 0))) return id;
  return arena_.Make(NodeKind::kRelation, {arena_.Child(id, 0), arena_.Child(id, count - 1)}, 0,
                     "=");
}

std::optional<Equality> Comparer::Statements(NodeId gold, NodeId pred) {
  const auto either = [&](NodeKind kind) { return arena_.Is(gold, kind) || arena_.Is(pred, kind); };
  if (either(NodeKind::kModulus)) return Congruences(gold, pred);
  const bool relation_set =
      arena_.Is(gold, NodeKind::kRelation) != arena_.Is(pred, NodeKind::kRelation);
  if (relation_set && !conventions_.relation_sets) return Equality::kUnequal;
  gold = WithoutSigns(gold);
  pred = WithoutSigns(pred);
  if (gold == kNoNode || pred == kNoNode) return Equality::kUndecided;
  if (const auto sets = RealSets(gold, pred)) return *sets;
  if (!either(NodeKind::kRelation) && !either(NodeKind::kMember)) return std::nullopt;
  for (const auto& [relation, other] : {std::pair(gold, pred), std::pair(pred, gold)}) {
    const NodeId interval = AsInterval(relation);
    if (interval == kNoNode) continue;
    if (!arena_.Is(other, NodeKind::kInterval) && !arena_.Is(other, NodeKind::kTuple)) continue;
    return relation == gold ? Compare(interval, other) : Compare(other, interval);
  }
  if (arena_.Is(gold, NodeKind::kRelation) && arena_.Is(pred, NodeKind::kRelation)) {
    return Relations(gold, pred);
  }
  if (arena_.Is(gold, NodeKind::kMember) && arena_.Is(pred, NodeKind::kMember)) {
    if (arena_[gold].op != arena_[pred].op) return Equality::kUnequal;
    return Ordered(gold, pred);
  }
  if (arena_.Is(gold, NodeKind::kList) || arena_.Is(pred, NodeKind::kList)) return std::nullopt;
  return Decided(Equality::kUnequal, "kind");
}

// a < x <= b as (a, b], x > a as (a, inf), for ends that are symbols; kNoNode for other relations.
NodeId Comparer::AsInterval(NodeId id) {
  if (!arena_.Is(id, NodeKind::kRelation)) return kNoNode;
  const std::string operators = arena_.Text(id);
  const size_t count = arena_[id].count;
  const bool falls = operators.find_first_not_of(">g") == std::string::npos;
  if ((!falls && operators.find_first_not_of("<l") != std::string::npos) || count > 3) {
    return kNoNode;
  }
  const auto side = [&](size_t i) { return arena_.Child(id, falls ? count - 1 - i : i); };
  const auto closed = [&](size_t i) {
    const char op = operators[falls ? operators.size() - 1 - i : i];
    return op == kLessEqual || op == kGreaterEqual;
  };
  const auto interval = [&](NodeId from, NodeId to, bool closed_below, bool closed_above) {
    const uint8_t ends = (closed_below ? 1 : 0) | (closed_above ? 2 : 0);
    return arena_.Make(NodeKind::kInterval, {from, to}, ends);
  };
  if (count == 3) {
    if (!arena_.Is(side(1), NodeKind::kSymbol)) return kNoNode;
    return interval(side(0), side(2), closed(0), closed(1));
  }
  const NodeId infinity = arena_.MakeText(NodeKind::kInfinity, "");
  const bool above = arena_.Is(arena_.Child(id, 0), NodeKind::kSymbol) == falls;  // x > a, a < x
  const NodeId variable = side(above ? 1 : 0);
  if (!arena_.Is(variable, NodeKind::kSymbol)) return kNoNode;
  if (above) return interval(side(0), infinity, closed(0), false);
  return interval(arena_.Make(NodeKind::kNegation, {infinity}), side(1), false, closed(0));
}

// x != +-1 as x != 1 and x != -1.
NodeId Comparer::WithoutSigns(NodeId id) {
  const bool unequal = arena_.Is(id, NodeKind::kRelation) && arena_.Text(id) == "!";
  if (!unequal || !Contains(arena_, id, NodeKind::kPlusMinus)) return id;
  const std::vector<NodeId> variants = SignVariants(&arena_, id);
  return variants.empty() ? kNoNode : arena_.Make(NodeKind::kList, variants, 2);
}

NodeId Comparer::Difference(NodeId relation) {
  const NodeId minus = arena_.Make(NodeKind::kNegation, {arena_.Child(relation, 1)});
  return arena_.Make(NodeKind::kSum, {arena_.Child(relation, 0), minus});
}

// Whether y = `value` draws the graph of f(x) = `value`.
bool Comparer::IsGraphOf(NodeId function, NodeId name, NodeId value) const {
  if (!arena_.Is(function, NodeKind::kCall) || !arena_.Is(name, NodeKind::kSymbol)) return false;
  std::set<std::string> names;
  CollectSymbols(arena_, function, &names);
  CollectSymbols(arena_, value, &names);
  return conventions_.assignments && arena_.Text(name) == "y" && !names.contains("y");
}

// Whether both equations give one name a value that does not depend on it.
bool Comparer::NameTheSame(NodeId gold, NodeId pred) const {
  const NodeId name = arena_.Child(gold, 0);
  if (!arena_.Is(name, NodeKind::kSymbol) ||
      arena_[name].hash != arena_[arena_.Child(pred, 0)].hash) {
    return false;
  }
  std::set<std::string> names;
  CollectSymbols(arena_, arena_.Child(gold, 1), &names);
  CollectSymbols(arena_, arena_.Child(pred, 1), &names);
  return !names.contains(arena_.Text(name));
}

// f(t) = t with the arguments of f(x) = x; the same relation where the sides do not define one
// function, or where a name is taken.
NodeId Comparer::RenamedLike(NodeId gold, NodeId pred) {
  const NodeId left = arena_.Child(gold, 0);
  const NodeId other = arena_.Child(pred, 0);
  const bool calls = arena_.Is(left, NodeKind::kCall) && arena_.Is(other, NodeKind::kCall) &&
                     arena_.Text(left) == arena_.Text(other) &&
                     arena_[left].count == arena_[other].count;
  if (!calls) return pred;
  std::set<std::string> names;
  CollectSymbols(arena_, pred, &names);
  NodeId renamed = pred;
  for (size_t i = 0; i < arena_[left].count && renamed != kNoNode; ++i) {
    const NodeId wanted = arena_.Child(left, i);
    const NodeId given = arena_.Child(other, i);
    if (!arena_.Is(wanted, NodeKind::kSymbol) || !arena_.Is(given, NodeKind::kSymbol)) return pred;
    if (arena_.Text(wanted) == arena_.Text(given)) continue;
    if (names.contains(arena_.Text(wanted))) return pred;
    renamed = Substitute(&arena_, renamed, arena_.Text(given), wanted);
  }
  return renamed;
}

Equality Comparer::Relations(NodeId gold, NodeId pred) {
  const std::string a = arena_.Text(gold);
  std::string b = arena_.Text(pred);
  if (a.size() != b.size()) return Decided(Equality::kUnequal, "relation");
  const auto children = arena_.Children(pred);
  std::vector<NodeId> sides(children.begin(), children.end());
  std::string reversed;
  for (const char op : b) reversed.insert(reversed.begin(), Flipped(op));
  if (a != b && a == reversed) {
    std::reverse(sides.begin(), sides.end());
    pred = arena_.Make(NodeKind::kRelation, sides, 0, reversed);
    if (pred == kNoNode) return Equality::kUndecided;
    b = reversed;
  }
  if (a != b) {
    // -x > 2 and x < -2: the same once all is on one side and the sign is turned.
    if (a.size() != 1 || Flipped(a[0]) != b[0]) return Decided(Equality::kUnequal, "relation");
  }
  if (a == b) {
    const NodeId left = arena_.Child(gold, 0);
    bool same = true;
    for (size_t i = 0; i < sides.size() && same; ++i) {
      same = Compare(arena_.Child(gold, i), arena_.Child(pred, i)) == Equality::kEqual;
    }
    if (same) return Equality::kEqual;
    if (a.size() != 1 || arena_.Is(left, NodeKind::kText))
      return Decided(Equality::kUnequal, "sides");
    if (a == "c") return Decided(Equality::kUnequal, "sides");
    const NodeId right = arena_.Child(gold, 1);
    if (a == "=" && NameTheSame(gold, pred)) return Compare(right, sides[1]);
    if (a == "=") {
      const NodeId renamed = RenamedLike(gold, pred);
      if (renamed == kNoNode) return Equality::kUndecided;
      if (renamed != pred) return Compare(right, arena_.Child(renamed, 1));
    }
    if (a == "=" && (IsGraphOf(left, sides[0], sides[1]) || IsGraphOf(sides[0], left, right))) {
      return Compare(right, sides[1]);
    }
  }
  const bool equality = a == "=" || a == "!";
  return SameZeros(gold, pred, !equality);
}

// f = 0 and g = 0 are one equation when f / g is a constant; for inequalities a positive one, or a
// negative one where the operator is turned.
Equality Comparer::SameZeros(NodeId gold, NodeId pred, bool signed_ratio) {
  const NodeId f = Difference(gold);
  const NodeId g = Difference(pred);
  if (f == kNoNode || g == kNoNode) return Equality::kUndecided;
  if (AsList(arena_.Child(gold, 1)) || AsList(arena_.Child(pred, 1))) return Equality::kUnequal;
  const bool turned = arena_.Text(gold) != arena_.Text(pred);
  std::set<std::string> names;
  CollectSymbols(arena_, f, &names);
  CollectSymbols(arena_, g, &names);
  if (names.empty()) return Decided(Equality::kUnequal, "equation");
  for (int64_t attempt = 0; attempt < 3; ++attempt) {
    NodeId f0 = f;
    NodeId g0 = g;
    int64_t next = 7 + 10 * attempt;
    for (const std::string& name : names) {
      const NodeId value =
          arena_.Make(NodeKind::kQuotient, {arena_.MakeInteger(next), arena_.MakeInteger(5)});
      f0 = value == kNoNode ? kNoNode : Substitute(&arena_, f0, name, value);
      g0 = f0 == kNoNode ? kNoNode : Substitute(&arena_, g0, name, value);
      if (g0 == kNoNode) return Equality::kUndecided;
      next += 4;
    }
    const NodeId zero = arena_.MakeInteger(0);
    if (Numbers(f0, zero) == Equality::kEqual || Numbers(g0, zero) == Equality::kEqual) continue;
    const NodeId left = arena_.Make(NodeKind::kProduct, {f, g0});
    const NodeId right = arena_.Make(NodeKind::kProduct, {g, f0});
    if (left == kNoNode || right == kNoNode) return Equality::kUndecided;
    const Equality verdict = Expressions(left, right);
    if (verdict != Equality::kEqual || !signed_ratio) return verdict;
    const auto sign_f = Order(f0, zero);
    const auto sign_g = Order(g0, zero);
    if (!sign_f || !sign_g) return Equality::kUndecided;
    const bool same_sign = *sign_f == *sign_g;
    return Decided(same_sign != turned ? Equality::kEqual : Equality::kUnequal, "inequality");
  }
  return Decided(Equality::kUnequal, "equation");
}

Equality Comparer::Congruences(NodeId gold, NodeId pred) {
  if (!arena_.Is(gold, NodeKind::kModulus) || !arena_.Is(pred, NodeKind::kModulus)) {
    return Decided(Equality::kUnequal, "modulus");
  }
  const Equality modulus = Compare(arena_.Child(gold, 1), arena_.Child(pred, 1));
  if (modulus != Equality::kEqual) return modulus;
  const auto residue = [&](NodeId id) {
    const NodeId statement = arena_.Child(id, 0);
    if (!arena_.Is(statement, NodeKind::kRelation)) return statement;
    return arena_.Child(statement, arena_[statement].count - 1);
  };
  const auto subject = [&](NodeId id) { return arena_.Child(arena_.Child(id, 0), 0); };
  const bool relations = arena_.Is(arena_.Child(gold, 0), NodeKind::kRelation) &&
                         arena_.Is(arena_.Child(pred, 0), NodeKind::kRelation);
  if (relations && Compare(subject(gold), subject(pred)) != Equality::kEqual) {
    return Equality::kUnequal;
  }
  const auto reduced = [&](NodeId id) {
    return arena_.Make(NodeKind::kFunction, {residue(id), arena_.Child(gold, 1)},
                       static_cast<uint8_t>(Function::kModulo));
  };
  return Compare(reduced(gold), reduced(pred));
}

}  // namespace cohort::reward::math
