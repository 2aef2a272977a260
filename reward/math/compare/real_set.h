#pragma once

// Subsets of the real line: intervals, unions, inequalities in one variable, finite sets. Two are
// equal when they hold the same points: the ends of both cut the line into points and gaps, and
// one sample of each tells.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "reward/math/algebra/expression.h"

namespace cohort::reward::math {

class RealLine {
 public:
  // The sign of a - b; nullopt where it cannot be told.
  using Order = std::function<std::optional<int>(NodeId, NodeId)>;

  RealLine(Arena* arena, Order order) : arena_(*arena), order_(std::move(order)) {}

  // nullopt where either is no set of reals that this can read, or where ends cannot be ordered.
  std::optional<bool> Equal(NodeId a, NodeId b);

 private:
  bool Collect(NodeId id, std::string* variable);
  bool CollectRelation(NodeId id, std::string* variable);
  bool CollectRoots(NodeId left, NodeId right, const std::string& variable);
  bool PolynomialRoots(NodeId difference, const std::string& variable);
  bool AddEnd(NodeId end);
  std::vector<NodeId> Samples();
  // Whether the set holds the point; nullopt where it cannot be told.
  std::optional<bool> Holds(NodeId set, NodeId point, const std::string& variable);
  std::optional<bool> HoldsInterval(NodeId set, NodeId point);
  std::optional<bool> HoldsRelation(NodeId relation, NodeId point, const std::string& variable);
  std::optional<bool> HoldsAny(NodeId list, NodeId point, const std::string& variable);

  Arena& arena_;
  Order order_;
  std::vector<NodeId> ends_;  // sorted, distinct
};

// Whether the expression is a set of reals and nothing else: a pair in brackets is not yet one.
bool IsRealSet(const Arena& arena, NodeId id);

}  // namespace cohort::reward::math
