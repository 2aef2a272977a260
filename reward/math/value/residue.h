#pragma once

// Integers too large to write out (towers of powers) by their residues.

#include <cstdint>
#include <optional>

#include "reward/math/algebra/expression.h"
#include "reward/math/algebra/limits.h"

namespace cohort::reward::math {

// The value modulo `modulus` of an integer expression of + - * !, whole powers and mod; nullopt
// where it is not surely an integer or costs too much. Exponents are reduced by Euler's theorem,
// level by level.
std::optional<uint64_t> Residue(const Arena& arena, NodeId id, uint64_t modulus, Work* work);

}  // namespace cohort::reward::math
