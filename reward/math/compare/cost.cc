#include "reward/math/compare/cost.h"

#include <cmath>
#include <vector>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/comparer.h"
#include "reward/math/value/ball_evaluator.h"

namespace cohort::reward::math {
namespace {

constexpr size_t kMaxParts = 64;

// The scalars of a collection or a statement.
void CollectParts(const Arena& arena, NodeId id, std::vector<NodeId>* parts) {
  const NodeKind kind = arena[id].kind;
  const bool several = kind >= NodeKind::kQuantity && kind <= NodeKind::kRatio;
  if (!several) {
    if (parts->size() < kMaxParts) parts->push_back(id);
    return;
  }
  for (const NodeId child : arena.Children(id)) CollectParts(arena, child, parts);
}

// A fraction of 30 bits behind the point beside the value; kNoNode where it has none in reach.
NodeId NearestFraction(Arena* arena, NodeId id) {
  constexpr int64_t kDenominator = int64_t{1} << 30;
  constexpr double kMaxSize = 1e9;
  Work work;
  BallEvaluator evaluator(*arena, &work);
  Ball value;
  if (!evaluator.Evaluate(id, 128, &value) || !value.IsFinite() || !value.IsReal()) return kNoNode;
  const double middle = arf_get_d(arb_midref(value.real()), ARF_RND_NEAR);
  if (!(std::fabs(middle) < kMaxSize)) return kNoNode;
  const auto numerator = static_cast<int64_t>(std::llround(middle * kDenominator));
  return arena->Make(NodeKind::kQuotient,
                     {arena->MakeInteger(numerator), arena->MakeInteger(kDenominator)});
}

}  // namespace

bool IsCostly(Arena* arena, NodeId answer, const Conventions& conventions) {
  std::vector<NodeId> parts;
  CollectParts(*arena, answer, &parts);
  for (const NodeId part : parts) {
    if (SignVariants(arena, part).empty()) return true;
    const NodeId successor = arena->Make(NodeKind::kSum, {part, arena->MakeInteger(1)});
    const bool value = !HasSymbols(*arena, part);
    const NodeId nearest = value ? NearestFraction(arena, part) : kNoNode;
    for (const NodeId other : {successor, nearest}) {
      if (other == kNoNode) continue;
      Work work;
      if (Comparer(arena, conventions, &work).Compare(part, other) == Equality::kUndecided) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace cohort::reward::math
