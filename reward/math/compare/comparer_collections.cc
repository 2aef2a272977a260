// Lists, tuples, sets, intervals and matrices.

#include <algorithm>
#include <set>
#include <string_view>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/comparer.h"

namespace cohort::reward::math {
namespace {

// A union of sets that are written out.
bool IsFiniteUnion(const Arena& arena, NodeId id) {
  if (arena.Is(id, NodeKind::kSet)) return true;
  return arena.Is(id, NodeKind::kUnion) && IsFiniteUnion(arena, arena.Child(id, 0)) &&
         IsFiniteUnion(arena, arena.Child(id, 1));
}

bool IsIntegerSet(const std::string& set) { return set == "Z" || set == "N" || set == "Z+"; }

bool IsCollection(NodeKind kind) {
  return kind >= NodeKind::kList && kind <= NodeKind::kSetBuilder;
}

}  // namespace

// Whether the answer stands for several values at once.
bool Comparer::AsList(NodeId id) const {
  return arena_.Is(id, NodeKind::kList) || IsFiniteUnion(arena_, id) ||
         Contains(arena_, id, NodeKind::kPlusMinus);
}

std::optional<Equality> Comparer::Collections(NodeId gold, NodeId pred) {
  const NodeKind a = arena_[gold].kind;
  const NodeKind b = arena_[pred].kind;
  const auto either = [&](NodeKind kind) { return a == kind || b == kind; };
  if (either(NodeKind::kSetBuilder)) return Families(gold, pred);
  if (SelectsTheSame(gold, pred) || SelectsTheSame(pred, gold)) {
    return Decided(Equality::kEqual, "options");
  }
  for (const auto& [set, symbol] : {std::pair(gold, pred), std::pair(pred, gold)}) {
    const bool letter = arena_.Is(set, NodeKind::kNumberSet) &&
                        arena_.Is(symbol, NodeKind::kSymbol) &&
                        arena_.Text(set) == arena_.Text(symbol);
    if (letter) return Decided(Equality::kEqual, "letter");
  }
  if (AsList(gold) || AsList(pred)) {
    const bool families =
        Contains(arena_, gold, NodeKind::kMember) || Contains(arena_, pred, NodeKind::kMember);
    if (families) return Families(gold, pred);
    return Unordered(gold, pred);
  }
  if (a == NodeKind::kMatrix && b == NodeKind::kMatrix) return Matrices(gold, pred);
  if (const auto vectors = conventions_.vectors ? Vectors(gold, pred) : std::nullopt) {
    return *vectors;
  }
  if (a == NodeKind::kTuple && b == NodeKind::kTuple) return Ordered(gold, pred);
  if (a == NodeKind::kInterval && b == NodeKind::kInterval) {
    if (arena_[gold].op != arena_[pred].op) return Decided(Equality::kUnequal, "interval");
    return Ordered(gold, pred);
  }
  if ((a == NodeKind::kInterval && b == NodeKind::kTuple) ||
      (a == NodeKind::kTuple && b == NodeKind::kInterval)) {
    const NodeId interval = a == NodeKind::kInterval ? gold : pred;
    const NodeId tuple = a == NodeKind::kInterval ? pred : gold;
    const bool open = arena_[interval].op == 0 && arena_[tuple].op == 0;
    return open ? Ordered(gold, pred) : Decided(Equality::kUnequal, "interval");
  }
  if (either(NodeKind::kUnion) && a == b) return Ordered(gold, pred);
  if (IsCollection(a) || IsCollection(b)) return Decided(Equality::kUnequal, "kind");
  return std::nullopt;
}

// "A, B, D" and "ABD": the options that several letters select, in the order of the alphabet.
bool Comparer::SelectsTheSame(NodeId list, NodeId run) const {
  const bool letters = arena_.Is(run, NodeKind::kProduct) && !arena_.Text(run).empty();
  const bool listed =
      arena_.Is(list, NodeKind::kSet) || (arena_.Is(list, NodeKind::kList) && arena_[list].op != 1);
  if (!letters || !listed) return false;
  std::string row;
  for (const NodeId item : arena_.Children(list)) {
    if (!arena_.Is(item, NodeKind::kSymbol) || arena_.Text(item).size() != 1) return false;
    row += arena_.Text(item);
  }
  std::sort(row.begin(), row.end());
  return row == arena_.Text(run) && row.front() >= 'A' && row.back() <= 'J';
}

// The values a list, a set or a plus-minus stands for; a scalar is a list of one.
std::vector<NodeId> Comparer::Items(NodeId id) {
  std::vector<NodeId> items;
  if (arena_.Is(id, NodeKind::kUnion) && IsFiniteUnion(arena_, id)) {
    for (const size_t side : {0, 1}) {
      const std::vector<NodeId> part = Items(arena_.Child(id, side));
      if (part.empty()) return {};
      items.insert(items.end(), part.begin(), part.end());
    }
    return items;
  }
  const bool list = arena_.Is(id, NodeKind::kList) || arena_.Is(id, NodeKind::kSet);
  const size_t count = list ? arena_[id].count : 1;
  for (size_t i = 0; i < count; ++i) {
    const NodeId item = list ? arena_.Child(id, i) : id;
    const std::vector<NodeId> variants = SignVariants(&arena_, item);
    if (variants.empty()) return {};
    items.insert(items.end(), variants.begin(), variants.end());
  }
  return items;
}

// The same values in any order; each item of either side is an item of the other. An ellipsis
// makes the order matter.
Equality Comparer::Unordered(NodeId gold, NodeId pred) {
  const bool sequence = Contains(arena_, gold, NodeKind::kEllipsis) ||
                        Contains(arena_, pred, NodeKind::kEllipsis) ||
                        (!conventions_.unordered_lists && arena_.Is(gold, NodeKind::kList) &&
                         arena_.Is(pred, NodeKind::kList));
  if (sequence) return Ordered(gold, pred);
  // A bare list against a tuple is the tuple without its brackets.
  for (const auto& [list, tuple] : {std::pair(gold, pred), std::pair(pred, gold)}) {
    if (Contains(arena_, tuple, NodeKind::kPlusMinus)) continue;
    if (arena_.Is(list, NodeKind::kList) && arena_.Is(tuple, NodeKind::kTuple))
      return Ordered(gold, pred);
    const bool one_tuple = arena_.Is(list, NodeKind::kSet) && arena_[list].count == 1 &&
                           arena_.Is(arena_.Child(list, 0), NodeKind::kTuple);
    if (one_tuple) continue;
    if (arena_.Is(list, NodeKind::kSet) && arena_.Is(tuple, NodeKind::kTuple))
      return Equality::kUnequal;
  }
  const std::vector<NodeId> a = Items(gold);
  const std::vector<NodeId> b = Items(pred);
  if (a.empty() || b.empty()) return Decided(Equality::kUndecided, "signs");
  std::vector<bool> met(b.size(), false);
  for (const NodeId wanted : a) {
    bool found = false;
    for (size_t i = 0; i < b.size(); ++i) {
      if (found && met[i]) continue;
      const Equality verdict = Compare(wanted, b[i]);
      if (verdict == Equality::kUndecided) return verdict;
      if (verdict == Equality::kEqual) found = met[i] = true;
    }
    if (!found) return Decided(Equality::kUnequal, "items");
  }
  const bool all = std::find(met.begin(), met.end(), false) == met.end();
  return all ? Equality::kEqual : Decided(Equality::kUnequal, "items");
}

Equality Comparer::Ordered(NodeId gold, NodeId pred) {
  if (arena_[gold].count != arena_[pred].count) return Decided(Equality::kUnequal, "length");
  for (size_t i = 0; i < arena_[gold].count; ++i) {
    const Equality verdict = Compare(arena_.Child(gold, i), arena_.Child(pred, i));
    if (verdict != Equality::kEqual) return verdict;
  }
  return Equality::kEqual;
}

Equality Comparer::Matrices(NodeId gold, NodeId pred) {
  if (arena_[gold].op != arena_[pred].op) return Decided(Equality::kUnequal, "shape");
  return Ordered(gold, pred);
}

Comparer::SolutionFamily Comparer::FamilyOf(NodeId id) const {
  SolutionFamily family;
  const auto add = [&](NodeId part) {
    const bool declares = arena_.Is(part, NodeKind::kMember) && arena_[part].op == 0 &&
                          arena_.Is(arena_.Child(part, 0), NodeKind::kSymbol) &&
                          arena_.Is(arena_.Child(part, 1), NodeKind::kNumberSet) &&
                          IsIntegerSet(arena_.Text(arena_.Child(part, 1)));
    if (declares && family.parameter.empty()) {
      family.parameter = arena_.Text(arena_.Child(part, 0));
      family.set = arena_.Text(arena_.Child(part, 1));
    } else {
      family.parts.push_back(part);
    }
  };
  if (!arena_.Is(id, NodeKind::kSetBuilder) && !arena_.Is(id, NodeKind::kList)) {
    family.parts = {id};
    return family;
  }
  for (const NodeId child : arena_.Children(id)) {
    if (!arena_.Is(child, NodeKind::kList)) {
      add(child);
      continue;
    }
    for (const NodeId inner : arena_.Children(child)) add(inner);
  }
  return family;
}

// The name in `other` that stands where the parameter of `declared` does; empty where it is not
// plain which.
std::string Comparer::ParameterLike(const SolutionFamily& declared,
                                    const SolutionFamily& other) const {
  if (!other.parameter.empty()) return other.parameter;
  std::set<std::string> known, names;
  for (const NodeId part : declared.parts) CollectSymbols(arena_, part, &known);
  for (const NodeId part : other.parts) CollectSymbols(arena_, part, &names);
  if (names.contains(declared.parameter)) return declared.parameter;
  std::erase_if(names, [&](const std::string& name) {
    return known.contains(name) || std::string_view("klmnt").find(name) == std::string_view::npos;
  });
  return names.size() == 1 ? *names.begin() : "";
}

// {2n | n in Z} against "2k, k in Z", or against "2n" where n can only be an integer: the element
// and each condition. A note on the parameter may be left out.
Equality Comparer::Families(NodeId gold, NodeId pred) {
  SolutionFamily a = FamilyOf(gold), b = FamilyOf(pred);
  const bool swapped = a.parameter.empty();
  if (swapped) std::swap(a, b);
  if (a.parts.size() != b.parts.size()) return Decided(Equality::kUnequal, "kind");
  if (!b.set.empty() && a.set != b.set) return Decided(Equality::kUnequal, "set of a parameter");
  if (!a.parameter.empty()) {
    const std::string like = ParameterLike(a, b);
    std::set<std::string> names;
    for (const NodeId part : b.parts) CollectSymbols(arena_, part, &names);
    if (!names.contains(like)) return Decided(Equality::kUnequal, "kind");
    if (like != a.parameter) {
      if (names.contains(a.parameter)) return Decided(Equality::kUnequal, "parameter");
      const NodeId parameter = arena_.MakeText(NodeKind::kSymbol, a.parameter);
      for (NodeId& part : b.parts) part = Substitute(&arena_, part, like, parameter);
    }
  }
  for (size_t i = 0; i < a.parts.size(); ++i) {
    const NodeId left = a.parts[i], right = b.parts[i];
    const Equality verdict = swapped ? Compare(right, left) : Compare(left, right);
    if (verdict != Equality::kEqual) return verdict;
  }
  return Equality::kEqual;
}

std::optional<Equality> Comparer::RealSets(NodeId gold, NodeId pred) {
  if (!IsRealSet(arena_, gold) && !IsRealSet(arena_, pred)) return std::nullopt;
  for (const NodeId side : {gold, pred}) {
    const NodeKind kind = arena_[side].kind;
    if (kind < NodeKind::kList && !IsRealSet(arena_, side)) return std::nullopt;  // one number
  }
  RealLine line(&arena_, [&](NodeId a, NodeId b) { return Order(a, b); });
  const auto equal = line.Equal(gold, pred);
  if (work_.Exhausted()) return Decided(Equality::kUndecided, "work");
  if (!equal) return std::nullopt;
  return Decided(*equal ? Equality::kEqual : Equality::kUnequal, "sets of reals");
}

}  // namespace cohort::reward::math
