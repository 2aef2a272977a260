#include "reward/math/compare/real_set.h"

#include <algorithm>
#include <set>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/value/exact_evaluator.h"

namespace cohort::reward::math {
namespace {

constexpr size_t kMaxEnds = 24;

bool IsInfinite(const Arena& arena, NodeId id) {
  return arena.Is(id, NodeKind::kInfinity) ||
         (arena.Is(id, NodeKind::kNegation) && arena.Is(arena.Child(id, 0), NodeKind::kInfinity));
}

bool IsNegativeInfinity(const Arena& arena, NodeId id) {
  return arena.Is(id, NodeKind::kNegation) && IsInfinite(arena, id);
}

bool IsInequality(const Arena& arena, NodeId id) {
  return arena.Is(id, NodeKind::kRelation) &&
         arena.Text(id).find_first_of("<>lg!") != std::string::npos;
}

}  // namespace

bool IsRealSet(const Arena& arena, NodeId id) {
  switch (arena[id].kind) {
    case NodeKind::kInterval:
    case NodeKind::kUnion:
    case NodeKind::kIntersection:
    case NodeKind::kDifference:
    case NodeKind::kNumberSet:
    case NodeKind::kMember:
      return true;
    case NodeKind::kRelation:
      return IsInequality(arena, id);
    case NodeKind::kSetBuilder:
      return arena.Is(arena.Child(id, 0), NodeKind::kSymbol) ||
             arena.Is(arena.Child(id, 0), NodeKind::kMember);
    case NodeKind::kSum:  // R - {0}
      return IsRealSet(arena, arena.Child(id, 0));
    case NodeKind::kList: {
      const auto items = arena.Children(id);
      return std::any_of(items.begin(), items.end(),
                         [&](NodeId item) { return IsInequality(arena, item); });
    }
    default:
      return false;
  }
}

std::optional<bool> RealLine::Equal(NodeId a, NodeId b) {
  std::string left, right;
  ends_.clear();
  if (!Collect(a, &left) || !Collect(b, &right)) return std::nullopt;
  if (!left.empty() && !right.empty() && left != right) return false;
  for (const NodeId sample : Samples()) {
    const auto in_a = Holds(a, sample, left);
    const auto in_b = in_a ? Holds(b, sample, right) : std::nullopt;
    if (!in_b) return std::nullopt;
    if (*in_a != *in_b) return false;
  }
  return true;
}

// Gathers the ends of every part.
bool RealLine::Collect(NodeId id, std::string* variable) {
  const Node node = arena_[id];
  switch (node.kind) {
    case NodeKind::kInterval:
    case NodeKind::kTuple: {
      if (node.count != 2) return false;
      const NodeId from = arena_.Child(id, 0);
      const NodeId to = arena_.Child(id, 1);
      const bool closed_at_infinity = (IsInfinite(arena_, from) && (node.op & 1) != 0) ||
                                      (IsInfinite(arena_, to) && (node.op & 2) != 0);
      if (closed_at_infinity && node.kind == NodeKind::kInterval) return false;
      if (!IsInfinite(arena_, from) && !AddEnd(from)) return false;
      if (!IsInfinite(arena_, to) && !AddEnd(to)) return false;
      if (arena_.Is(from, NodeKind::kInfinity) || IsNegativeInfinity(arena_, to)) return false;
      if (IsInfinite(arena_, from) || IsInfinite(arena_, to)) return true;
      const auto order = order_(from, to);
      return order.has_value() && *order <= 0;  // (3, 2) is a pair
    }
    case NodeKind::kUnion:
    case NodeKind::kIntersection:
    case NodeKind::kDifference:
      return Collect(arena_.Child(id, 0), variable) && Collect(arena_.Child(id, 1), variable);
    case NodeKind::kNumberSet:
      return arena_.Text(id) == "R";
    case NodeKind::kEmptySet:
      return true;
    case NodeKind::kRelation:
      return CollectRelation(id, variable);
    case NodeKind::kMember: {
      const NodeId element = arena_.Child(id, 0);
      if (!arena_.Is(element, NodeKind::kSymbol)) return false;
      if (!variable->empty() && *variable != arena_.Text(element)) return false;
      *variable = arena_.Text(element);
      return Collect(arena_.Child(id, 1), variable);
    }
    case NodeKind::kSetBuilder:
      return Collect(arena_.Child(id, 1), variable) &&
             (arena_.Text(arena_.Child(id, 0)) == *variable ||
              arena_.Is(arena_.Child(id, 0), NodeKind::kMember));
    case NodeKind::kSum:
      if (node.count != 2 || !arena_.Is(arena_.Child(id, 1), NodeKind::kNegation))
        return AddEnd(id);
      if (!IsRealSet(arena_, arena_.Child(id, 0))) return AddEnd(id);
      return Collect(arena_.Child(id, 0), variable) &&
             Collect(arena_.Child(arena_.Child(id, 1), 0), variable);
    case NodeKind::kSet:
    case NodeKind::kList:
      for (size_t i = 0; i < node.count; ++i) {
        const NodeKind item = arena_[arena_.Child(id, i)].kind;  // a list of pairs is no union
        const bool condition = item == NodeKind::kRelation || item == NodeKind::kMember;
        if (node.kind == NodeKind::kList && !condition) return false;
        const bool region = item >= NodeKind::kList && item <= NodeKind::kSetBuilder;
        if (node.kind == NodeKind::kSet && region && node.count > 1) return false;
        if (!Collect(arena_.Child(id, i), variable)) return false;
      }
      return true;
    default:
      return AddEnd(id);  // a point of a finite set
  }
}

bool RealLine::CollectRelation(NodeId id, std::string* variable) {
  std::set<std::string> names;
  CollectSymbols(arena_, id, &names);
  if (names.size() != 1 || Contains(arena_, id, NodeKind::kCall)) return false;
  if (!variable->empty() && *variable != *names.begin()) return false;
  *variable = *names.begin();
  for (size_t i = 0; i + 1 < arena_[id].count; ++i) {
    if (!CollectRoots(arena_.Child(id, i), arena_.Child(id, i + 1), *variable)) return false;
  }
  return true;
}

bool RealLine::CollectRoots(NodeId left, NodeId right, const std::string& variable) {
  const auto is_variable = [&](NodeId id) {
    return arena_.Is(id, NodeKind::kSymbol) && arena_.Text(id) == variable;
  };
  if (is_variable(left) && !HasSymbols(arena_, right)) {
    return IsInfinite(arena_, right) || AddEnd(right);
  }
  if (is_variable(right) && !HasSymbols(arena_, left)) {
    return IsInfinite(arena_, left) || AddEnd(left);
  }
  const auto is_absolute = [&](NodeId id) {
    return arena_.Is(id, NodeKind::kFunction) &&
           static_cast<Function>(arena_[id].op) == Function::kAbs;
  };
  if (is_absolute(right)) std::swap(left, right);
  const NodeId minus = arena_.Make(NodeKind::kNegation, {right});
  if (minus == kNoNode) return false;
  if (is_absolute(left)) {
    const NodeId inner = arena_.Child(left, 0);
    return PolynomialRoots(arena_.Make(NodeKind::kSum, {inner, minus}), variable) &&
           PolynomialRoots(arena_.Make(NodeKind::kSum, {inner, right}), variable);
  }
  return PolynomialRoots(arena_.Make(NodeKind::kSum, {left, minus}), variable);
}

// The real roots of a polynomial of degree two at most with rational coefficients.
bool RealLine::PolynomialRoots(NodeId difference, const std::string& variable) {
  if (difference == kNoNode) return false;
  Work work(2000);
  Rational f[5];
  for (int64_t i = 0; i < 5; ++i) {
    ExactEvaluator evaluator(arena_, &work);
    Rational x;
    fmpq_set_si(x.get(), i - 1, 1);
    evaluator.Bind(variable, x);
    if (evaluator.Evaluate(difference, &f[i]) != ExactOutcome::kValue) return false;
    if (f[i].Bits() > 50) return false;
  }
  // f(-1), f(0), f(1) give a, b, c; f(2), f(3) must agree.
  Rational a, b, check, four;
  fmpq_add(a.get(), f[0].get(), f[2].get());
  fmpq_sub(a.get(), a.get(), f[1].get());
  fmpq_sub(a.get(), a.get(), f[1].get());     // 2a
  fmpq_sub(b.get(), f[2].get(), f[0].get());  // 2b
  for (int64_t x : {2, 3}) {
    Rational scale;
    fmpq_set_si(scale.get(), x * x, 2);
    fmpq_mul(check.get(), a.get(), scale.get());
    fmpq_set_si(scale.get(), x, 2);
    fmpq_addmul(check.get(), b.get(), scale.get());
    fmpq_add(check.get(), check.get(), f[1].get());
    if (!fmpq_equal(check.get(), f[x + 1].get())) return false;
  }
  if (a.IsZero() && b.IsZero()) return true;
  const auto node = [&](const Rational& q) {
    const NodeId num = arena_.MakeInteger(fmpz_get_si(q.num()));
    return arena_.Make(NodeKind::kQuotient, {num, arena_.MakeInteger(fmpz_get_si(q.den()))});
  };
  const NodeId minus_b = arena_.Make(NodeKind::kNegation, {node(b)});
  if (a.IsZero()) {  // 2b x / 2 + c = 0
    const NodeId two_c = arena_.Make(NodeKind::kProduct, {arena_.MakeInteger(-2), node(f[1])});
    return AddEnd(arena_.Make(NodeKind::kQuotient, {two_c, node(b)}));
  }
  // x = (-2b +- sqrt(4b^2 - 4 (2a) (2c))) / (2 (2a))
  Rational d;
  fmpq_mul(d.get(), b.get(), b.get());
  fmpq_set_si(four.get(), -8, 1);
  fmpq_mul(four.get(), four.get(), a.get());
  fmpq_addmul(d.get(), four.get(), f[1].get());
  if (fmpq_sgn(d.get()) < 0) return true;
  if (d.Bits() > 60) return false;
  const NodeId root = arena_.Make(NodeKind::kRoot, {node(d), arena_.MakeInteger(2)});
  const NodeId bottom = arena_.Make(NodeKind::kProduct, {arena_.MakeInteger(2), node(a)});
  const NodeId minus_root = arena_.Make(NodeKind::kNegation, {root});
  return AddEnd(arena_.Make(NodeKind::kQuotient,
                            {arena_.Make(NodeKind::kSum, {minus_b, root}), bottom})) &&
         AddEnd(arena_.Make(NodeKind::kQuotient,
                            {arena_.Make(NodeKind::kSum, {minus_b, minus_root}), bottom}));
}

// Keeps the ends sorted and distinct.
bool RealLine::AddEnd(NodeId end) {
  if (end == kNoNode || ends_.size() >= kMaxEnds || HasSymbols(arena_, end)) return false;
  for (size_t i = 0; i < ends_.size(); ++i) {
    const auto order = order_(end, ends_[i]);
    if (!order) return false;
    if (*order == 0) return true;
    if (*order > 0) continue;
    ends_.insert(ends_.begin() + static_cast<std::ptrdiff_t>(i), end);
    return true;
  }
  // The only end must be a real number too.
  if (ends_.empty() && !order_(end, arena_.MakeInteger(0)).has_value()) return false;
  ends_.push_back(end);
  return true;
}

std::vector<NodeId> RealLine::Samples() {
  if (ends_.empty()) return {arena_.MakeInteger(0)};
  const auto shifted = [&](NodeId end, int64_t by) {
    return arena_.Make(NodeKind::kSum, {end, arena_.MakeInteger(by)});
  };
  std::vector<NodeId> samples = {shifted(ends_.front(), -1), shifted(ends_.back(), 1)};
  for (size_t i = 0; i < ends_.size(); ++i) {
    samples.push_back(ends_[i]);
    if (i + 1 == ends_.size()) break;
    const NodeId sum = arena_.Make(NodeKind::kSum, {ends_[i], ends_[i + 1]});
    samples.push_back(arena_.Make(NodeKind::kQuotient, {sum, arena_.MakeInteger(2)}));
  }
  return samples;
}

}  // namespace cohort::reward::math
