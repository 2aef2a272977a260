#include "reward/math/value/separation_bound.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace cohort::reward::math {
namespace {

constexpr double kMaxBits = 1e7;
constexpr double kMaxDegree = 4096;

struct Bound {
  double u = 0;  // log2 of the bound on the numerator's conjugates
  double l = 0;  // of the denominator's
};

class BoundFinder {
 public:
  explicit BoundFinder(const Arena& arena) : arena_(arena) {}
  double degree() const { return degree_; }

  std::optional<Bound> Find(NodeId id) {
    const Node& node = arena_[id];
    switch (node.kind) {
      case NodeKind::kNumber:
        if (node.den == 0)
          return Bound{4.0 * static_cast<double>(arena_.Text(id).size()),
                       4.0 * static_cast<double>(arena_.Text(id).size())};
        return Bound{Log2(node.num), Log2(node.den)};
      case NodeKind::kImaginary:
        return CountRoot(node.hash, 2) ? std::optional<Bound>(Bound{}) : std::nullopt;
      case NodeKind::kNegation:
        return Find(arena_.Child(id, 0));
      case NodeKind::kSum:
      case NodeKind::kProduct:
        return Fold(id);
      case NodeKind::kQuotient: {
        const auto a = Find(arena_.Child(id, 0));
        const auto b = a ? Find(arena_.Child(id, 1)) : std::nullopt;
        return b ? Checked({a->u + b->l, a->l + b->u}) : std::nullopt;
      }
      case NodeKind::kRoot:
        return Root(id);
      case NodeKind::kPower:
        return Power(id);
      default:
        return std::nullopt;
    }
  }

 private:
  static double Log2(int64_t n) {
    return n == 0 ? 0 : std::log2(std::fabs(static_cast<double>(n))) + 1e-9;
  }

  static std::optional<Bound> Checked(Bound bound) {
    return bound.u < kMaxBits && bound.l < kMaxBits ? std::optional<Bound>(bound) : std::nullopt;
  }

  // The same root twice counts once.
  bool CountRoot(Hash hash, int64_t index) {
    if (std::find(roots_.begin(), roots_.end(), hash) != roots_.end()) return true;
    roots_.push_back(hash);
    degree_ *= static_cast<double>(index);
    return degree_ <= kMaxDegree;
  }

  std::optional<Bound> Fold(NodeId id) {
    const bool sum = arena_.Is(id, NodeKind::kSum);
    Bound total;
    bool first = true;
    for (const NodeId child : arena_.Children(id)) {
      const auto next = Find(child);
      if (!next) return std::nullopt;
      if (first) {
        total = *next;
      } else if (sum) {
        total = {std::max(total.u + next->l, total.l + next->u) + 1, total.l + next->l};
      } else {
        total = {total.u + next->u, total.l + next->l};
      }
      first = false;
    }
    return Checked(total);
  }

  std::optional<Bound> RootOf(const Bound& b, int64_t index) const {
    const auto k = static_cast<double>(index);
    if (b.u >= b.l) return Checked({(b.u + (k - 1) * b.l) / k, b.l});
    return Checked({b.u, (b.l + (k - 1) * b.u) / k});
  }

  std::optional<Bound> Root(NodeId id) {
    const Node& index = arena_[arena_.Child(id, 1)];
    if (index.kind != NodeKind::kNumber || index.den != 1 || index.num < 1 || index.num > 64) {
      return std::nullopt;
    }
    const auto radicand = Find(arena_.Child(id, 0));
    if (!radicand || !CountRoot(arena_[id].hash, index.num)) return std::nullopt;
    return RootOf(*radicand, index.num);
  }

  std::optional<Bound> Power(NodeId id) {
    NodeId exponent = arena_.Child(id, 1);
    bool inverse = false;
    if (arena_.Is(exponent, NodeKind::kNegation)) {
      inverse = true;
      exponent = arena_.Child(exponent, 0);
    }
    int64_t num = 0;
    int64_t den = 1;
    const auto whole = [&](NodeId n) {
      return arena_.Is(n, NodeKind::kNumber) && arena_[n].den == 1;
    };
    if (arena_.Is(exponent, NodeKind::kNumber)) {
      num = arena_[exponent].num;
      den = arena_[exponent].den;
    } else if (arena_.Is(exponent, NodeKind::kQuotient) && whole(arena_.Child(exponent, 0)) &&
               whole(arena_.Child(exponent, 1))) {
      num = arena_[arena_.Child(exponent, 0)].num;
      den = arena_[arena_.Child(exponent, 1)].num;
    } else {
      return std::nullopt;
    }
    if (den < 1 || den > 64 || num < 0 || num > 100'000) return std::nullopt;
    auto bound = Find(arena_.Child(id, 0));
    if (bound && den > 1) {
      if (!CountRoot(arena_[id].hash, den)) return std::nullopt;
      bound = RootOf(*bound, den);
    }
    if (!bound) return std::nullopt;
    const auto n = static_cast<double>(num);
    if (inverse) return Checked({bound->l * n, bound->u * n});
    return Checked({bound->u * n, bound->l * n});
  }

  const Arena& arena_;
  std::vector<Hash> roots_;
  double degree_ = 1;
};

}  // namespace

std::optional<int64_t> SeparationBits(const Arena& arena, NodeId x, NodeId y) {
  BoundFinder finder(arena);
  const auto a = finder.Find(x);
  const auto b = a ? finder.Find(y) : std::nullopt;
  if (!b) return std::nullopt;
  const double u = std::max(a->u + b->l, a->l + b->u) + 1;
  const double bits = (finder.degree() - 1) * u + a->l + b->l;
  return bits < kMaxBits ? std::optional<int64_t>(static_cast<int64_t>(bits) + 2) : std::nullopt;
}

}  // namespace cohort::reward::math
