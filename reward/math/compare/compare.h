#pragma once

// Whether two parsed answers are the same answer. Kinds are told apart first, then numbers are
// compared exactly or in balls, expressions at random points, collections item by item.

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "reward/math/algebra/expression.h"
#include "reward/math/compare/real_set.h"
#include "reward/math/conventions.h"
#include "reward/math/limits.h"

namespace cohort::reward::math {

enum class Verdict {
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

  Verdict Compare(NodeId gold, NodeId pred);

  // How the last comparison was decided: "exact", "separation bound", "1000 bits", "points", ...
  const char* method() const { return method_; }

 private:
  // compare_statements.cc
  NodeId Unwrapped(NodeId id, NodeId other);
  NodeId WithoutApproximation(NodeId id);
  NodeId ValueOfChain(NodeId id);
  bool IsName(NodeId id) const;
  std::optional<Verdict> Statements(NodeId gold, NodeId pred);
  bool IsGraphOf(NodeId function, NodeId name, NodeId value) const;
  Verdict Relations(NodeId gold, NodeId pred);
  Verdict SameZeros(NodeId gold, NodeId pred, bool signed_ratio);
  Verdict Congruences(NodeId gold, NodeId pred);
  NodeId Difference(NodeId relation);
  NodeId WithoutSigns(NodeId id);
  NodeId AsInterval(NodeId id);

  // compare_solutions.cc: lists of equations
  struct Assignment {
    std::string name;
    NodeId value;
  };
  bool NamesValue(NodeId id) const;
  std::optional<std::vector<Assignment>> Assignments(NodeId id);
  std::optional<Verdict> Solutions(NodeId gold, NodeId pred);
  NodeId ValuesAsList(const std::vector<Assignment>& assignments);

  // compare_collections.cc
  std::optional<Verdict> Collections(NodeId gold, NodeId pred);
  Verdict Unordered(NodeId gold, NodeId pred);
  Verdict Ordered(NodeId gold, NodeId pred);
  Verdict Matrices(NodeId gold, NodeId pred);
  struct Family {
    std::vector<NodeId> parts;  // the elements, then conditions
    std::string parameter;      // that runs through the integers; empty where none is declared
  };
  Family FamilyOf(NodeId id) const;
  std::string ParameterLike(const Family& declared, const Family& other) const;
  Verdict Families(NodeId gold, NodeId pred);
  std::vector<NodeId> Items(NodeId id);
  std::optional<Verdict> RealSets(NodeId gold, NodeId pred);
  bool AsList(NodeId id) const;

  // compare_scalars.cc
  Verdict Scalars(NodeId gold, NodeId pred);
  Verdict Quantities(NodeId gold, NodeId pred);
  Verdict Ratios(NodeId gold, NodeId pred);
  Verdict Percents(NodeId gold, NodeId pred);
  Verdict Degrees(NodeId gold, NodeId pred);
  Verdict Values(NodeId gold, NodeId pred);
  NodeId Strip(NodeId id, Kind suffix);

  // compare_numbers.cc
  Verdict Numbers(NodeId gold, NodeId pred);
  std::optional<Verdict> ExactNumbers(NodeId gold, NodeId pred);
  std::optional<Verdict> Decimals(NodeId gold, NodeId pred);
  // A decimal of fewer digits than the tolerance has is exact: 0.5 rounds nothing.
  bool Rounded(NodeId id) const;
  bool RoundsTo(NodeId longer, NodeId shorter);
  Verdict BallNumbers(NodeId gold, NodeId pred);
  Verdict Towers(NodeId gold, NodeId pred, Verdict otherwise);
  std::optional<int> Order(NodeId a, NodeId b);  // sign of a - b

  // compare_expressions.cc
  Verdict Expressions(NodeId gold, NodeId pred);
  std::optional<Verdict> RationalPoints(NodeId gold, NodeId pred,
                                        const std::vector<std::string>& names);
  Verdict BallPoints(NodeId gold, NodeId pred, const std::vector<std::string>& names);
  Verdict Decided(Verdict verdict, const char* method) {
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
