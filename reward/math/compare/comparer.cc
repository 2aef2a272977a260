#include "reward/math/compare/comparer.h"

#include "reward/math/algebra/rewrite.h"

namespace cohort::reward::math {

Equality Comparer::Compare(NodeId gold, NodeId pred) {
  constexpr int kMaxNesting = 40;
  if (gold == kNoNode || pred == kNoNode) return Decided(Equality::kUndecided, "size");
  if (!work_.Spend(2) || depth_ > kMaxNesting) return Decided(Equality::kUndecided, "work");
  if (arena_[gold].hash == arena_[pred].hash) return Decided(Equality::kEqual, "structure");
  ++depth_;
  const Equality verdict = [&] {
    gold = WithoutApproximation(gold);
    pred = WithoutApproximation(pred);
    if (gold == kNoNode || pred == kNoNode) return Decided(Equality::kUndecided, "size");
    if (const auto solutions = Solutions(gold, pred)) return *solutions;
    const NodeId a = Unwrapped(gold, pred);
    const NodeId b = Unwrapped(pred, gold);
    if (a != gold || b != pred) return Compare(a, b);
    if (const auto statements = Statements(a, b)) return *statements;
    if (const auto collections = Collections(a, b)) return *collections;
    return Scalars(a, b);
  }();
  --depth_;
  return verdict;
}

}  // namespace cohort::reward::math
