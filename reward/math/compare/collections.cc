// Lists, tuples, sets, intervals and matrices.

#include <algorithm>
#include <set>
#include <string_view>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/compare.h"

namespace cohort::reward::math {
namespace {

bool IsVector(const Arena& arena, NodeId id) {
  return arena.Is(id, Kind::kMatrix) && (arena[id].op == 1 || arena[id].op == arena[id].count);
}

// A union of sets that are written out.
bool IsFiniteUnion(const Arena& arena, NodeId id) {
  if (arena.Is(id, Kind::kSet)) return true;
  return arena.Is(id, Kind::kUnion) && IsFiniteUnion(arena, arena.Child(id, 0)) &&
         IsFiniteUnion(arena, arena.Child(id, 1));
}

bool IsCollection(Kind kind) { return kind >= Kind::kList && kind <= Kind::kSetBuilder; }

}  // namespace

// Whether the answer stands for several values at once.
bool Comparer::AsList(NodeId id) const {
  return arena_.Is(id, Kind::kList) || IsFiniteUnion(arena_, id) ||
         Contains(arena_, id, Kind::kPlusMinus);
}

std::optional<Verdict> Comparer::Collections(NodeId gold, NodeId pred) {
  const Kind a = arena_[gold].kind;
  const Kind b = arena_[pred].kind;
  const auto either = [&](Kind kind) { return a == kind || b == kind; };
  if (either(Kind::kSetBuilder)) return Families(gold, pred);
  if (AsList(gold) || AsList(pred)) {
    const bool families =
        Contains(arena_, gold, Kind::kMember) || Contains(arena_, pred, Kind::kMember);
    if (families) return Families(gold, pred);
    return Unordered(gold, pred);
  }
  if (a == Kind::kMatrix && b == Kind::kMatrix) return Matrices(gold, pred);
  if (conventions_.vectors && a == Kind::kMatrix && b == Kind::kTuple && IsVector(arena_, gold)) {
    return Ordered(gold, pred);
  }
  if (conventions_.vectors && b == Kind::kMatrix && a == Kind::kTuple && IsVector(arena_, pred)) {
    return Ordered(gold, pred);
  }
  if (a == Kind::kTuple && b == Kind::kTuple) return Ordered(gold, pred);
  if (a == Kind::kInterval && b == Kind::kInterval) {
    if (arena_[gold].op != arena_[pred].op) return Decided(Verdict::kUnequal, "interval");
    return Ordered(gold, pred);
  }
  if ((a == Kind::kInterval && b == Kind::kTuple) || (a == Kind::kTuple && b == Kind::kInterval)) {
    const NodeId interval = a == Kind::kInterval ? gold : pred;
    const NodeId tuple = a == Kind::kInterval ? pred : gold;
    const bool open = arena_[interval].op == 0 && arena_[tuple].op == 0;
    return open ? Ordered(gold, pred) : Decided(Verdict::kUnequal, "interval");
  }
  if (either(Kind::kUnion) && a == b) return Ordered(gold, pred);
  if (IsCollection(a) || IsCollection(b)) return Decided(Verdict::kUnequal, "kind");
  return std::nullopt;
}

// The values a list, a set or a plus-minus stands for; a scalar is a list of one.
std::vector<NodeId> Comparer::Items(NodeId id) {
  std::vector<NodeId> items;
  if (arena_.Is(id, Kind::kUnion) && IsFiniteUnion(arena_, id)) {
    for (const size_t side : {0, 1}) {
      const std::vector<NodeId> part = Items(arena_.Child(id, side));
      if (part.empty()) return {};
      items.insert(items.end(), part.begin(), part.end());
    }
    return items;
  }
  const bool list = arena_.Is(id, Kind::kList) || arena_.Is(id, Kind::kSet);
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
Verdict Comparer::Unordered(NodeId gold, NodeId pred) {
  const bool sequence = Contains(arena_, gold, Kind::kEllipsis) ||
                        Contains(arena_, pred, Kind::kEllipsis) ||
                        (!conventions_.unordered_lists && arena_.Is(gold, Kind::kList) &&
                         arena_.Is(pred, Kind::kList));
  if (sequence) return Ordered(gold, pred);
  // A bare list against a tuple is the tuple without its brackets.
  for (const auto& [list, tuple] : {std::pair(gold, pred), std::pair(pred, gold)}) {
    if (Contains(arena_, tuple, Kind::kPlusMinus)) continue;
    if (arena_.Is(list, Kind::kList) && arena_.Is(tuple, Kind::kTuple)) return Ordered(gold, pred);
    const bool one_tuple = arena_.Is(list, Kind::kSet) && arena_[list].count == 1 &&
                           arena_.Is(arena_.Child(list, 0), Kind::kTuple);
    if (one_tuple) continue;
    if (arena_.Is(list, Kind::kSet) && arena_.Is(tuple, Kind::kTuple)) return Verdict::kUnequal;
  }
  const std::vector<NodeId> a = Items(gold);
  const std::vector<NodeId> b = Items(pred);
  if (a.empty() || b.empty()) return Decided(Verdict::kUndecided, "signs");
  std::vector<bool> met(b.size(), false);
  for (const NodeId wanted : a) {
    bool found = false;
    for (size_t i = 0; i < b.size(); ++i) {
      if (found && met[i]) continue;
      const Verdict verdict = Compare(wanted, b[i]);
      if (verdict == Verdict::kUndecided) return verdict;
      if (verdict == Verdict::kEqual) found = met[i] = true;
    }
    if (!found) return Decided(Verdict::kUnequal, "items");
  }
  const bool all = std::find(met.begin(), met.end(), false) == met.end();
  return all ? Verdict::kEqual : Decided(Verdict::kUnequal, "items");
}

Verdict Comparer::Ordered(NodeId gold, NodeId pred) {
  if (arena_[gold].count != arena_[pred].count) return Decided(Verdict::kUnequal, "length");
  for (size_t i = 0; i < arena_[gold].count; ++i) {
    const Verdict verdict = Compare(arena_.Child(gold, i), arena_.Child(pred, i));
    if (verdict != Verdict::kEqual) return verdict;
  }
  return Verdict::kEqual;
}

Verdict Comparer::Matrices(NodeId gold, NodeId pred) {
  if (arena_[gold].op != arena_[pred].op) return Decided(Verdict::kUnequal, "shape");
  return Ordered(gold, pred);
}

Comparer::Family Comparer::FamilyOf(NodeId id) const {
  Family family;
  const auto add = [&](NodeId part) {
    const bool declares = arena_.Is(part, Kind::kMember) && arena_[part].op == 0 &&
                          arena_.Is(arena_.Child(part, 0), Kind::kSymbol) &&
                          arena_.Is(arena_.Child(part, 1), Kind::kNumberSet) &&
                          arena_.Text(arena_.Child(part, 1)) == "Z";
    if (declares && family.parameter.empty()) {
      family.parameter = arena_.Text(arena_.Child(part, 0));
    } else {
      family.parts.push_back(part);
    }
  };
  if (!arena_.Is(id, Kind::kSetBuilder) && !arena_.Is(id, Kind::kList)) {
    family.parts = {id};
    return family;
  }
  for (const NodeId child : arena_.Children(id)) {
    if (!arena_.Is(child, Kind::kList)) {
      add(child);
      continue;
    }
    for (const NodeId inner : arena_.Children(child)) add(inner);
  }
  return family;
}

// The name in `other` that stands where the parameter of `declared` does; empty where it is not
// plain which.
std::string Comparer::ParameterLike(const Family& declared, const Family& other) const {
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
// and each condition.
Verdict Comparer::Families(NodeId gold, NodeId pred) {
  Family a = FamilyOf(gold), b = FamilyOf(pred);
  const bool swapped = a.parameter.empty();
  if (swapped) std::swap(a, b);
  if (a.parts.size() != b.parts.size()) return Decided(Verdict::kUnequal, "kind");
  if (!a.parameter.empty()) {
    const std::string like = ParameterLike(a, b);
    std::set<std::string> names;
    for (const NodeId part : b.parts) CollectSymbols(arena_, part, &names);
    if (!names.contains(like)) return Decided(Verdict::kUnequal, "kind");
    if (like != a.parameter) {
      if (names.contains(a.parameter)) return Decided(Verdict::kUnequal, "parameter");
      const NodeId parameter = arena_.MakeText(Kind::kSymbol, a.parameter);
      for (NodeId& part : b.parts) part = Substitute(&arena_, part, like, parameter);
    }
  }
  for (size_t i = 0; i < a.parts.size(); ++i) {
    const NodeId left = a.parts[i], right = b.parts[i];
    const Verdict verdict = swapped ? Compare(right, left) : Compare(left, right);
    if (verdict != Verdict::kEqual) return verdict;
  }
  return Verdict::kEqual;
}

std::optional<Verdict> Comparer::RealSets(NodeId gold, NodeId pred) {
  if (!IsRealSet(arena_, gold) && !IsRealSet(arena_, pred)) return std::nullopt;
  for (const NodeId side : {gold, pred}) {
    const Kind kind = arena_[side].kind;
    if (kind < Kind::kList && !IsRealSet(arena_, side)) return std::nullopt;  // one number
  }
  RealLine line(&arena_, [&](NodeId a, NodeId b) { return Order(a, b); });
  const auto equal = line.Equal(gold, pred);
  if (work_.Exhausted()) return Decided(Verdict::kUndecided, "work");
  if (!equal) return std::nullopt;
  return Decided(*equal ? Verdict::kEqual : Verdict::kUnequal, "sets of reals");
}

}  // namespace cohort::reward::math
