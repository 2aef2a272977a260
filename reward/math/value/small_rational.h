#pragma once

// Fractions of machine integers: most answers are one, and never need a big number.

#include <cstdint>
#include <optional>

#include "reward/math/algebra/expression.h"

namespace cohort::reward::math {

struct SmallRational {
  int64_t num = 0;
  int64_t den = 1;  // positive, no common factor with num
  bool operator==(const SmallRational&) const = default;
};

// The value of a constant expression of + - * / and whole powers whose every step fits; nullopt
// otherwise, and for a division by zero.
std::optional<SmallRational> SmallValue(const Arena& arena, NodeId id);

}  // namespace cohort::reward::math
