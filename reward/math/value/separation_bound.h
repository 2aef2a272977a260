#pragma once

// How small an algebraic number can be without being zero. Burnikel, Fleischer, Mehlhorn, Schirra,
// "A strong and easily computable separation bound for arithmetic expressions involving radicals",
// Algorithmica 27 (2000): for E built from integers by + - * / and roots, E = 0 or
// |E| >= 1 / (u(E)^(D(E)-1) l(E)), D being the product of the degrees of the roots.

#include <cstdint>
#include <optional>

#include "reward/math/algebra/expression.h"

namespace cohort::reward::math {

// Bits b with |x - y| >= 2^-b unless x = y. nullopt where either is not of this shape, or where
// the degree exceeds 4096.
std::optional<int64_t> SeparationBits(const Arena& arena, NodeId x, NodeId y);

}  // namespace cohort::reward::math
