#pragma once

// Whether two parsed answers are the same answer. Kinds are told apart first, then numbers are
// compared exactly or in balls, expressions at random points, collections item by item.

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "reward/math/algebra/expression.h"
#include "reward/math/algebra/limits.h"
#include "reward/math/compare/conventions.h"
#include "reward/math/compare/real_set.h"

namespace cohort::reward::math {

enum class Equality {
  kEqual,
  kUnequal,
  kUndecided,  // the budget of work or of precision was spent
};

// One comparison; not thread-safe. The arena grows by what is derived from the answers.
class Comparer {
 public:
  Comparer(Arena* arena, const Conventions& conventions, Work* work)
      : arena_(*arena), conventions_(conventions), work_(*work) {
    while (min_digits_ < 300 && std::pow(10.0, -min_digits_) > conventions.rel_tol) ++min_digits_;
  }

  Equality Compare(NodeId gold, NodeId pred);

  // How the last comparison was decided: "exact", "separation bound", "1000 bits", "points", ...
  const char* method() const { return method_; }

 private:
  // comparer_statements.cc
  NodeId Unwrapped(NodeId id, NodeId other);
  NodeId WithoutApproximation(NodeId id);
  NodeId ValueOfChain(NodeId id);
  bool IsName(NodeId id) const;
  bool IsCapitalName(NodeId id) const;
  bool NamesAngles(NodeId id) const;
  std::optional<Equality> Statements(NodeId gold, NodeId pred);
  bool IsGraphOf(NodeId function, NodeId name, NodeId value) const;
  bool NameTheSame(NodeId gold, NodeId pred) const;
  NodeId RenamedLike(NodeId gold, NodeId pred);
  Equality Relations(NodeId gold, NodeId pred);
  Equality SameZeros(NodeId gold, NodeId pred, bool signed_ratio);
  Equality Congruences(NodeId gold, NodeId pred);
  NodeId Difference(NodeId relation);
  NodeId WithoutSigns(NodeId id);
  NodeId AsInterval(NodeId id);

  // comparer_solutions.cc: lists of equations
  struct Assignment {
    std::string name;
    NodeId value;
  };
  bool NamesValue(NodeId id) const;
  std::optional<std::vector<Assignment>> Assignments(NodeId id);
  std::optional<Equality> Solutions(NodeId gold, NodeId pred);
  NodeId ValuesAsList(const std::vector<Assignment>& assignments);

  // comparer_collections.cc
  std::optional<Equality> Collections(NodeId gold, NodeId pred);
  Equality Unordered(NodeId gold, NodeId pred);
  Equality Ordered(NodeId gold, NodeId pred);
  Equality Matrices(NodeId gold, NodeId pred);
  struct SolutionFamily {
    std::vector<NodeId> parts;  // the elements, then conditions
    std::string parameter;      // that runs through a set of integers; empty where none is declared
    std::string set;            // "Z", "N" or "Z+"
  };
  SolutionFamily FamilyOf(NodeId id) const;
  std::string ParameterLike(const SolutionFamily& declared, const SolutionFamily& other) const;
  Equality Families(NodeId gold, NodeId pred);
  std::vector<NodeId> Items(NodeId id);
  std::optional<Equality> RealSets(NodeId gold, NodeId pred);
  bool AsList(NodeId id) const;
  bool SelectsTheSame(NodeId list, NodeId run) const;

  // comparer_vectors.cc
  std::optional<Equality> Vectors(NodeId gold, NodeId pred);
  NodeId AsMatrix(NodeId id);
  NodeId FromUnitVectors(NodeId sum, size_t dimension);

  // comparer_scalars.cc
  Equality Scalars(NodeId gold, NodeId pred);
  std::optional<Equality> Words(NodeId gold, NodeId pred);
  Equality Quantities(NodeId gold, NodeId pred);
  Equality Ratios(NodeId gold, NodeId pred);
  Equality Percents(NodeId gold, NodeId pred);
  Equality Degrees(NodeId gold, NodeId pred);
  Equality Values(NodeId gold, NodeId pred);
  NodeId Strip(NodeId id, NodeKind suffix);

  // comparer_numbers.cc
  Equality Numbers(NodeId gold, NodeId pred);
  std::optional<Equality> ExactNumbers(NodeId gold, NodeId pred);
  std::optional<Equality> Decimals(NodeId gold, NodeId pred);
  // A decimal of fewer digits than the tolerance has is exact: 0.5 rounds nothing.
  bool Rounded(NodeId id) const;
  bool MayBeRounded(NodeId shorter, NodeId longer) const;
  bool RoundsTo(NodeId longer, NodeId shorter);
  Equality BallNumbers(NodeId gold, NodeId pred);
  Equality Towers(NodeId gold, NodeId pred, Equality otherwise);
  std::optional<int> Order(NodeId a, NodeId b);  // sign of a - b

  // comparer_expressions.cc
  Equality Expressions(NodeId gold, NodeId pred);
  NodeId WithConstantsLike(NodeId gold, NodeId pred);
  std::optional<Equality> RationalPoints(NodeId gold, NodeId pred,
                                         const std::vector<std::string>& names);
  Equality FieldPoints(NodeId gold, NodeId pred, const std::vector<std::string>& names);
  double DecimalError(NodeId gold, NodeId pred) const;
  Equality BallPoints(NodeId gold, NodeId pred, const std::vector<std::string>& names);
  Equality Decided(Equality verdict, const char* method) {
    method_ = method;
    return verdict;
  }

  Arena& arena_;
  const Conventions& conventions_;
  Work& work_;
  const char* method_ = "structure";
  int min_digits_ = 1;  // of a decimal that may be rounded
  int depth_ = 0;
};

}  // namespace cohort::reward::math
