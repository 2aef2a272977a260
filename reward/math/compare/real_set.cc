#include "reward/math/compare/real_set.h"

#include <algorithm>
#include <set>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/value/exact_value.h"

namespace cohort::reward::math {
namespace {

constexpr size_t kMaxEnds = 24;

bool IsInfinite(const Arena& arena, NodeId id) {
  return arena.Is(id, Kind::kInfinity) ||
         (arena.Is(id, Kind::kNegation) && arena.Is(arena.Child(id, 0), Kind::kInfinity));
}

bool IsNegativeInfinity(const Arena& arena, NodeId id) {
  return arena.Is(id, Kind::kNegation) && IsInfinite(arena, id);
}

bool IsInequality(const Arena& arena, NodeId id) {
  return arena.Is(id, Kind::kRelation) &&
         arena.Text(id).find_first_of("<>lg!") != std::string::npos;
}

}  // namespace

bool IsRealSet(const Arena& arena, NodeId id) {
  switch (arena[id].kind) {
    case Kind::kInterval:
    case Kind::kUnion:
    case Kind::kIntersection:
    case Kind::kDifference:
    case Kind::kNumberSet:
    case Kind::kMember:
      return true;
    case Kind::kRelation:
      return IsInequality(arena, id);
    case Kind::kSetBuilder:
      return arena.Is(arena.Child(id, 0), Kind::kSymbol) ||
             arena.Is(arena.Child(id, 0), Kind::kMember);
    case Kind::kSum:  // R - {0}
      return IsRealSet(arena, arena.Child(id, 0));
    case Kind::kList: {
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
    case Kind::kInterval:
    case Kind::kTuple: {
      if (node.count != 2) return false;
      const NodeId from = arena_.Child(id, 0);
      const NodeId to = arena_.Child(id, 1);
      const bool closed_at_infinity = (IsInfinite(arena_, from) && (node.op & 1) != 0) ||
                                      (IsInfinite(arena_, to) && (node.op & 2) != 0);
      if (closed_at_infinity && node.kind == Kind::kInterval) return false;
      if (!IsInfinite(arena_, from) && !AddEnd(from)) return false;
      if (!IsInfinite(arena_, to) && !AddEnd(to)) return false;
      if (arena_.Is(from, Kind::kInfinity) || IsNegativeInfinity(arena_, to)) return false;
      if (IsInfinite(arena_, from) || IsInfinite(arena_, to)) return true;
      const auto order = order_(from, to);
      return order.has_value() && *order <= 0;  // (3, 2) is a pair
    }
    case Kind::kUnion:
    case Kind::kIntersection:
    case Kind::kDifference:
      return Collect(arena_.Child(id, 0), variable) && Collect(arena_.Child(id, 1), variable);
    case Kind::kNumberSet:
      return arena_.Text(id) == "R";
    case Kind::kEmptySet:
      return true;
    case Kind::kRelation:
      return CollectRelation(id, variable);
    case Kind::kMember: {
      const NodeId element = arena_.Child(id, 0);
      if (!arena_.Is(element, Kind::kSymbol)) return false;
      if (!variable->empty() && *variable != arena_.Text(element)) return false;
      *variable = arena_.Text(element);
      return Collect(arena_.Child(id, 1), variable);
    }
    case Kind::kSetBuilder:
      return Collect(arena_.Child(id, 1), variable) &&
             (arena_.Text(arena_.Child(id, 0)) == *variable ||
              arena_.Is(arena_.Child(id, 0), Kind::kMember));
    case Kind::kSum:
      if (node.count != 2 || !arena_.Is(arena_.Child(id, 1), Kind::kNegation)) return AddEnd(id);
      if (!IsRealSet(arena_, arena_.Child(id, 0))) return AddEnd(id);
      return Collect(arena_.Child(id, 0), variable) &&
             Collect(arena_.Child(arena_.Child(id, 1), 0), variable);
    case Kind::kSet:
    case Kind::kList:
      for (size_t i = 0; i < node.count; ++i) {
        const Kind item = arena_[arena_.Child(id, i)].kind;  // a list of pairs is no union
        const bool condition = item == Kind::kRelation || item == Kind::kMember;
        if (node.kind == Kind::kList && !condition) return false;
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
  if (names.size() != 1 || Contains(arena_, id, Kind::kCall)) return false;
  if (!variable->empty() && *variable != *names.begin()) return false;
  *variable = *names.begin();
  for (size_t i = 0; i + 1 < arena_[id].count; ++i) {
    if (!CollectRoots(arena_.Child(id, i), arena_.Child(id, i + 1), *variable)) return false;
  }
  return true;
}

bool RealLine::CollectRoots(NodeId left, NodeId right, const std::string& variable) {
  const auto is_variable = [&](NodeId id) {
    return arena_.Is(id, Kind::kSymbol) && arena_.Text(id) == variable;
  };
  if (is_variable(left) && !HasSymbols(arena_, right)) {
    return IsInfinite(arena_, right) || AddEnd(right);
  }
  if (is_variable(right) && !HasSymbols(arena_, left)) {
    return IsInfinite(arena_, left) || AddEnd(left);
  }
  const auto is_absolute = [&](NodeId id) {
    return arena_.Is(id, Kind::kFunction) && static_cast<Function>(arena_[id].op) == Function::kAbs;
  };
  if (is_absolute(right)) std::swap(left, right);
  const NodeId minus = arena_.Make(Kind::kNegation, {right});
  if (minus == kNoNode) return false;
  if (is_absolute(left)) {
    const NodeId inner = arena_.Child(left, 0);
    return PolynomialRoots(arena_.Make(Kind::kSum, {inner, minus}), variable) &&
           PolynomialRoots(arena_.Make(Kind::kSum, {inner, right}), variable);
  }
  return PolynomialRoots(arena_.Make(Kind::kSum, {left, minus}), variable);
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
    if (evaluator.Evaluate(difference, &f[i]) != Outcome::kValue) return false;
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
    return arena_.Make(Kind::kQuotient, {num, arena_.MakeInteger(fmpz_get_si(q.den()))});
  };
  const NodeId minus_b = arena_.Make(Kind::kNegation, {node(b)});
  if (a.IsZero()) {  // 2b x / 2 + c = 0
    const NodeId two_c = arena_.Make(Kind::kProduct, {arena_.MakeInteger(-2), node(f[1])});
    return AddEnd(arena_.Make(Kind::kQuotient, {two_c, node(b)}));
  }
  // x = (-2b +- sqrt(4b^2 - 4 (2a) (2c))) / (2 (2a))
  Rational d;
  fmpq_mul(d.get(), b.get(), b.get());
  fmpq_set_si(four.get(), -8, 1);
  fmpq_mul(four.get(), four.get(), a.get());
  fmpq_addmul(d.get(), four.get(), f[1].get());
  if (fmpq_sgn(d.get()) < 0) return true;
  if (d.Bits() > 60) return false;
  const NodeId root = arena_.Make(Kind::kRoot, {node(d), arena_.MakeInteger(2)});
  const NodeId bottom = arena_.Make(Kind::kProduct, {arena_.MakeInteger(2), node(a)});
  const NodeId minus_root = arena_.Make(Kind::kNegation, {root});
  return AddEnd(arena_.Make(Kind::kQuotient, {arena_.Make(Kind::kSum, {minus_b, root}), bottom})) &&
         AddEnd(arena_.Make(Kind::kQuotient,
                            {arena_.Make(Kind::kSum, {minus_b, minus_root}), bottom}));
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
    return arena_.Make(Kind::kSum, {end, arena_.MakeInteger(by)});
  };
  std::vector<NodeId> samples = {shifted(ends_.front(), -1), shifted(ends_.back(), 1)};
  for (size_t i = 0; i < ends_.size(); ++i) {
    samples.push_back(ends_[i]);
    if (i + 1 == ends_.size()) break;
    const NodeId sum = arena_.Make(Kind::kSum, {ends_[i], ends_[i + 1]});
    samples.push_back(arena_.Make(Kind::kQuotient, {sum, arena_.MakeInteger(2)}));
  }
  return samples;
}

}  // namespace cohort::reward::math
