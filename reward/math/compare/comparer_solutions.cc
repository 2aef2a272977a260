// Lists of equations that give names values: "x = 2 or x = 3", "k = 45, n = 2", "(x, y) = (2, 3)".

#include <algorithm>
#include <set>

#include "reward/math/compare/comparer.h"

namespace cohort::reward::math {
namespace {

// Whether names are one name with different subscripts: x_1, x_2.
template <typename Assignments>
bool OneBase(const Assignments& assignments) {
  const std::string base = assignments[0].name.substr(0, assignments[0].name.find('_'));
  return std::all_of(assignments.begin(), assignments.end(), [&](const auto& a) {
    const size_t at = a.name.find('_');
    return at != std::string::npos && a.name.substr(0, at) == base;
  });
}

// The length of the run of distinct names that repeats: 2 for x, y, x, y; 0 where none does.
template <typename Assignments>
size_t Period(const Assignments& assignments) {
  size_t period = 1;
  while (period < assignments.size() && assignments[period].name != assignments[0].name) ++period;
  if (assignments.size() % period != 0) return 0;
  for (size_t i = 0; i < assignments.size(); ++i) {
    if (assignments[i].name != assignments[i % period].name) return 0;
  }
  std::set<std::string> names;
  for (size_t i = 0; i < period; ++i) names.insert(assignments[i].name);
  return names.size() == period ? period : 0;
}

}  // namespace

// Whether an equation gives a name, or a tuple of names, its value.
bool Comparer::NamesValue(NodeId id) const {
  const bool equation = arena_.Is(id, NodeKind::kRelation) &&
                        arena_.Text(id).find_first_not_of('=') == std::string::npos;
  if (!equation) return false;
  const NodeKind left = arena_[arena_.Child(id, 0)].kind;
  return left == NodeKind::kSymbol || left == NodeKind::kCall || left == NodeKind::kTuple ||
         left == NodeKind::kText || left == NodeKind::kEuler;
}

std::optional<std::vector<Comparer::Assignment>> Comparer::Assignments(NodeId id) {
  std::vector<Assignment> assignments;
  NodeId tuple_names = kNoNode;
  const auto name_of = [&](NodeId left) {
    return arena_.Is(left, NodeKind::kEuler) ? std::string("e") : arena_.Text(left);
  };
  const auto add = [&](NodeId item) {
    const NodeId left = arena_.Child(item, 0);
    const NodeId right = arena_.Child(item, arena_[item].count - 1);
    if (!arena_.Is(left, NodeKind::kTuple)) {
      assignments.push_back({name_of(left), right});
      return true;
    }
    if (!arena_.Is(right, NodeKind::kTuple) || arena_[left].count != arena_[right].count)
      return false;
    tuple_names = left;
    for (size_t i = 0; i < arena_[left].count; ++i) {
      if (!arena_.Is(arena_.Child(left, i), NodeKind::kSymbol)) return false;
      assignments.push_back({arena_.Text(arena_.Child(left, i)), arena_.Child(right, i)});
    }
    return true;
  };
  // (x, y) = (1, 2), (3, 4)
  const auto add_tuple = [&](NodeId item) {
    if (tuple_names == kNoNode || !arena_.Is(item, NodeKind::kTuple) ||
        arena_[item].count != arena_[tuple_names].count) {
      return false;
    }
    for (size_t i = 0; i < arena_[item].count; ++i) {
      assignments.push_back({arena_.Text(arena_.Child(tuple_names, i)), arena_.Child(item, i)});
    }
    return true;
  };
  if (NamesValue(id)) {
    if (!add(id)) return std::nullopt;
    return assignments;
  }
  const NodeKind kind = arena_[id].kind;
  if (kind != NodeKind::kList && kind != NodeKind::kTuple && kind != NodeKind::kSet)
    return std::nullopt;
  for (size_t i = 0; i < arena_[id].count; ++i) {
    const NodeId item = arena_.Child(id, i);
    if (NamesValue(item)) {
      if (!add(item)) return std::nullopt;
    } else if (tuple_names != kNoNode) {
      if (!add_tuple(item)) return std::nullopt;
    } else if (i == 0 || arena_.Is(item, NodeKind::kRelation) ||
               arena_.Is(item, NodeKind::kMember) || arena_.Is(item, NodeKind::kText)) {
      return std::nullopt;
    } else {
      assignments.push_back({assignments.back().name, item});  // x = 2, -2
    }
  }
  return assignments;
}

// The values alone: a list where one name has them all, a tuple (or a list of tuples) where
// several do; kNoNode where names do not repeat evenly.
NodeId Comparer::ValuesAsList(const std::vector<Assignment>& assignments) {
  std::vector<NodeId> values;
  for (const Assignment& assignment : assignments) values.push_back(assignment.value);
  const size_t period = Period(assignments);
  if (period == 0) return kNoNode;
  if (period == 1) return values.size() == 1 ? values[0] : arena_.Make(NodeKind::kList, values);
  if (period == values.size() && OneBase(assignments)) return arena_.Make(NodeKind::kList, values);
  std::vector<NodeId> tuples;
  for (size_t i = 0; i < values.size(); i += period) {
    tuples.push_back(
        arena_.Make(NodeKind::kTuple, std::span<const NodeId>(values).subspan(i, period)));
  }
  return tuples.size() == 1 ? tuples[0] : arena_.Make(NodeKind::kList, tuples);
}

std::optional<Equality> Comparer::Solutions(NodeId gold, NodeId pred) {
  if (!conventions_.assignments) return std::nullopt;
  auto a = Assignments(gold);
  auto b = Assignments(pred);
  if (!a && !b) return std::nullopt;
  if (a && b) {
    if (a->size() == 1 && b->size() == 1) return std::nullopt;  // two equations
    const auto by_name = [](const Assignment& x, const Assignment& y) { return x.name < y.name; };
    const size_t period = Period(*a);
    if (period != Period(*b) || period == 0) return Decided(Equality::kUnequal, "names");
    for (auto* side : {&*a, &*b}) {
      for (size_t i = 0; i < side->size(); i += period) {
        const auto begin = side->begin() + static_cast<std::ptrdiff_t>(i);
        std::sort(begin, begin + static_cast<std::ptrdiff_t>(period), by_name);
      }
    }
    for (size_t i = 0; i < period; ++i) {
      if ((*a)[i].name != (*b)[i].name) return Decided(Equality::kUnequal, "names");
    }
    const NodeId left = ValuesAsList(*a);
    const NodeId right = ValuesAsList(*b);
    if (left == kNoNode || right == kNoNode) return Equality::kUndecided;
    if (period == a->size() && period == b->size() && period > 1) return Ordered(left, right);
    return Compare(left, right);
  }
  const auto& assignments = a ? *a : *b;
  if (assignments.size() == 1) return std::nullopt;  // one equation, unwrapped elsewhere
  NodeId values = ValuesAsList(assignments);
  const NodeId other = a ? pred : gold;
  if (values == kNoNode) return Decided(Equality::kUnequal, "names");
  const NodeKind kind = arena_[other].kind;
  if (kind == NodeKind::kRelation || (kind == NodeKind::kList && IsRealSet(arena_, other))) {
    return std::nullopt;
  }
  return a ? Compare(values, other) : Compare(other, values);
}

}  // namespace cohort::reward::math
