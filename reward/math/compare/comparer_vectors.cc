// Vectors and matrices in other notations: lists of rows, sums of unit vectors.

#include <algorithm>
#include <array>
#include <set>

#include "reward/math/algebra/rewrite.h"
#include "reward/math/compare/comparer.h"

namespace cohort::reward::math {
namespace {

constexpr std::array<const char*, 3> kUnitVectors = {"i", "j", "k"};

bool IsVector(const Arena& arena, NodeId id) {
  return arena.Is(id, NodeKind::kMatrix) && (arena[id].op == 1 || arena[id].op == arena[id].count);
}

// Round brackets, or square ones: [1, 2] is an interval elsewhere.
bool IsRow(const Arena& arena, NodeId id) {
  constexpr uint8_t kClosed = 3;
  return arena.Is(id, NodeKind::kTuple) ||
         (arena.Is(id, NodeKind::kInterval) && arena[id].op == kClosed);
}

// The expression with the imaginary unit as the symbol i.
NodeId WithoutImaginary(Arena* arena, NodeId id) {
  if (arena->Is(id, NodeKind::kImaginary)) return arena->MakeText(NodeKind::kSymbol, "i");
  const auto children = arena->Children(id);
  std::vector<NodeId> changed(children.begin(), children.end());
  for (NodeId& child : changed) {
    child = WithoutImaginary(arena, child);
    if (child == kNoNode) return kNoNode;
  }
  return changed.empty() ? id : arena->WithChildren(id, changed);
}

}  // namespace

// nullopt where neither side is a vector or a matrix beside another notation.
std::optional<Equality> Comparer::Vectors(NodeId gold, NodeId pred) {
  for (const auto& [matrix, rows] : {std::pair(gold, pred), std::pair(pred, gold)}) {
    if (!arena_.Is(matrix, NodeKind::kMatrix) || !IsRow(arena_, rows)) continue;
    if (const NodeId written = AsMatrix(rows); written != kNoNode) {
      return matrix == gold ? Matrices(gold, written) : Matrices(written, pred);
    }
    if (IsVector(arena_, matrix)) return Ordered(gold, pred);
  }
  for (const auto& [vector, sum] : {std::pair(gold, pred), std::pair(pred, gold)}) {
    const bool known = arena_.Is(vector, NodeKind::kTuple) || IsVector(arena_, vector);
    if (!known || arena_[sum].kind >= NodeKind::kList) continue;
    const NodeId tuple = FromUnitVectors(sum, arena_[vector].count);
    if (tuple != kNoNode) return vector == gold ? Ordered(gold, tuple) : Ordered(tuple, pred);
  }
  return std::nullopt;
}

// [[1,2],[3,4]] as a matrix; kNoNode for other tuples.
NodeId Comparer::AsMatrix(NodeId id) {
  constexpr size_t kMaxColumns = 100;
  std::vector<NodeId> entries;
  size_t columns = 0;
  for (const NodeId row : arena_.Children(id)) {
    if (!IsRow(arena_, row) || (columns != 0 && arena_[row].count != columns)) return kNoNode;
    columns = arena_[row].count;
    const auto cells = arena_.Children(row);
    entries.insert(entries.end(), cells.begin(), cells.end());
  }
  if (columns == 0 || columns > kMaxColumns) return kNoNode;
  return arena_.Make(NodeKind::kMatrix, entries, static_cast<uint8_t>(columns));
}

// i + 2j + 3k as the tuple of its coefficients; kNoNode for other expressions.
NodeId Comparer::FromUnitVectors(NodeId sum, size_t dimension) {
  if (dimension < 2 || dimension > kUnitVectors.size()) return kNoNode;
  std::set<std::string> names;
  CollectSymbols(arena_, sum, &names);
  if (names.contains("j") || names.contains("k")) {
    sum = WithoutImaginary(&arena_, sum);
    if (sum == kNoNode) return kNoNode;
    CollectSymbols(arena_, sum, &names);
  }
  const bool known = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    const auto end = kUnitVectors.begin() + static_cast<std::ptrdiff_t>(dimension);
    return std::find(kUnitVectors.begin(), end, name) != end;
  });
  if (names.empty() || !known) return kNoNode;
  std::vector<NodeId> coefficients, terms;
  for (size_t i = 0; i < dimension; ++i) {
    NodeId coefficient = sum;
    for (size_t other = 0; other < dimension && coefficient != kNoNode; ++other) {
      const NodeId value = arena_.MakeInteger(other == i ? 1 : 0);
      coefficient = Substitute(&arena_, coefficient, kUnitVectors[other], value);
    }
    const NodeId unit = arena_.MakeText(NodeKind::kSymbol, kUnitVectors[i]);
    coefficients.push_back(coefficient);
    terms.push_back(arena_.Make(NodeKind::kProduct, {coefficient, unit}));
  }
  const NodeId linear = arena_.Make(NodeKind::kSum, terms);
  if (linear == kNoNode || Compare(sum, linear) != Equality::kEqual) return kNoNode;
  return arena_.Make(NodeKind::kTuple, coefficients);
}

}  // namespace cohort::reward::math
