#pragma once

// Rational functions modulo a prime: a sum of hundreds of high powers, whose rational values are
// too long to write out, is one machine word here.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reward/math/algebra/expression.h"
#include "reward/math/algebra/limits.h"
#include "reward/math/value/exact_evaluator.h"

namespace cohort::reward::math {

class PrimeFieldEvaluator {
 public:
  static constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;

  PrimeFieldEvaluator(const Arena& arena, Work* work) : arena_(arena), work_(*work) {}

  void Bind(std::string_view name, uint64_t value) { bindings_.push_back({name, value}); }

  // nullopt where the expression is more than + - * / and whole constant powers of rationals and
  // bound symbols, where it divides by zero in the field, and where the work is spent.
  std::optional<uint64_t> Evaluate(NodeId id);

 private:
  std::optional<uint64_t> Power(NodeId id);

  const Arena& arena_;
  Work& work_;
  std::vector<Binding<uint64_t>> bindings_;
};

}  // namespace cohort::reward::math
