#include "reward/math/algebra/matrix.h"

#include <vector>

namespace cohort::reward::math {
namespace {

class MatrixEvaluator {
 public:
  explicit MatrixEvaluator(Arena* arena) : arena_(*arena) {}

  NodeId Evaluate(NodeId id) {
    const Node node = arena_[id];
    switch (node.kind) {
      case NodeKind::kNegation:
        return Scale(arena_.MakeInteger(-1), arena_.Child(id, 0));
      case NodeKind::kQuotient: {
        const NodeId one = arena_.MakeInteger(1);
        const NodeId divisor = arena_.Child(id, 1);
        if (IsMatrix(divisor)) return kNoNode;
        return Scale(arena_.Make(NodeKind::kQuotient, {one, divisor}), arena_.Child(id, 0));
      }
      case NodeKind::kSum:
      case NodeKind::kProduct:
        return Fold(id);
      case NodeKind::kPower:
        return Power(arena_.Child(id, 0), arena_.Child(id, 1));
      case NodeKind::kFunction:
        return Apply(static_cast<Function>(node.op), arena_.Child(id, 0), id);
      default:
        return id;
    }
  }

 private:
  bool IsMatrix(NodeId id) const { return arena_.Is(id, NodeKind::kMatrix); }
  size_t Columns(NodeId m) const { return arena_[m].op; }
  size_t Rows(NodeId m) const { return arena_[m].count / arena_[m].op; }
  NodeId Entry(NodeId m, size_t row, size_t column) const {
    return arena_.Child(m, row * Columns(m) + column);
  }
  NodeId Matrix(const std::vector<NodeId>& entries, size_t columns) {
    return arena_.Make(NodeKind::kMatrix, entries, static_cast<uint8_t>(columns));
  }

  NodeId Scale(NodeId scalar, NodeId matrix) {
    if (!IsMatrix(matrix)) return arena_.Make(NodeKind::kProduct, {scalar, matrix});
    std::vector<NodeId> entries;
    for (size_t i = 0; i < arena_[matrix].count; ++i) {
      entries.push_back(arena_.Make(NodeKind::kProduct, {scalar, arena_.Child(matrix, i)}));
    }
    return Matrix(entries, Columns(matrix));
  }

  NodeId Fold(NodeId id) {
    const bool sum = arena_.Is(id, NodeKind::kSum);
    NodeId total = arena_.Child(id, 0);
    for (size_t i = 1; i < arena_[id].count && total != kNoNode; ++i) {
      const NodeId next = arena_.Child(id, i);
      total = sum ? Add(total, next) : Multiply(total, next);
    }
    return total;
  }

  NodeId Add(NodeId a, NodeId b) {
    if (!IsMatrix(a) || !IsMatrix(b)) return kNoNode;
    if (Columns(a) != Columns(b) || Rows(a) != Rows(b)) return kNoNode;
    std::vector<NodeId> entries;
    for (size_t i = 0; i < arena_[a].count; ++i) {
      entries.push_back(arena_.Make(NodeKind::kSum, {arena_.Child(a, i), arena_.Child(b, i)}));
    }
    return Matrix(entries, Columns(a));
  }

  NodeId Multiply(NodeId a, NodeId b) {
    if (!IsMatrix(a)) return Scale(a, b);
    if (!IsMatrix(b)) return Scale(b, a);
    if (Columns(a) != Rows(b) || arena_[a].count > 64 || arena_[b].count > 64) return kNoNode;
    std::vector<NodeId> entries;
    for (size_t i = 0; i < Rows(a); ++i) {
      for (size_t j = 0; j < Columns(b); ++j) {
        std::vector<NodeId> terms;
        for (size_t k = 0; k < Columns(a); ++k) {
          terms.push_back(arena_.Make(NodeKind::kProduct, {Entry(a, i, k), Entry(b, k, j)}));
        }
        entries.push_back(terms.size() == 1 ? terms[0] : arena_.Make(NodeKind::kSum, terms));
      }
    }
    return Matrix(entries, Columns(b));
  }

  NodeId Power(NodeId base, NodeId exponent) {
    const Node n = arena_[exponent];
    if (n.kind != NodeKind::kNumber || n.den != 1 || n.num < 1 || n.num > 8) return kNoNode;
    NodeId power = base;
    for (int64_t i = 1; i < n.num && power != kNoNode; ++i) power = Multiply(power, base);
    return power;
  }

  NodeId Apply(Function f, NodeId m, NodeId whole) {
    if (!IsMatrix(m)) return f == Function::kDeterminant ? kNoNode : whole;
    if (f == Function::kTranspose) {
      std::vector<NodeId> entries;
      for (size_t j = 0; j < Columns(m); ++j) {
        for (size_t i = 0; i < Rows(m); ++i) entries.push_back(Entry(m, i, j));
      }
      return Matrix(entries, Rows(m));
    }
    if (Rows(m) != Columns(m) || Rows(m) > 5) return kNoNode;
    if (f == Function::kDeterminant) {
      std::vector<size_t> columns;
      for (size_t j = 0; j < Columns(m); ++j) columns.push_back(j);
      return Determinant(m, 0, columns);
    }
    if (f != Function::kTrace) return kNoNode;
    std::vector<NodeId> diagonal;
    for (size_t i = 0; i < Rows(m); ++i) diagonal.push_back(Entry(m, i, i));
    return diagonal.size() == 1 ? diagonal[0] : arena_.Make(NodeKind::kSum, diagonal);
  }

  // Along the first row that is left.
  NodeId Determinant(NodeId m, size_t row, const std::vector<size_t>& columns) {
    if (columns.size() == 1) return Entry(m, row, columns[0]);
    std::vector<NodeId> terms;
    for (size_t i = 0; i < columns.size(); ++i) {
      std::vector<size_t> rest = columns;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
      const NodeId minor = Determinant(m, row + 1, rest);
      const NodeId term = arena_.Make(NodeKind::kProduct, {Entry(m, row, columns[i]), minor});
      terms.push_back(i % 2 == 0 ? term : arena_.Make(NodeKind::kNegation, {term}));
    }
    return arena_.Make(NodeKind::kSum, terms);
  }

  Arena& arena_;
};

}  // namespace

NodeId MatrixArithmetic(Arena* arena, NodeId id) { return MatrixEvaluator(arena).Evaluate(id); }

}  // namespace cohort::reward::math
