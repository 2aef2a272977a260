#pragma once

#include "reward/math/algebra/expression.h"

namespace cohort::reward::math {

// The greatest common divisor of monomials such as 2y and 6x^2 y, as polynomials: gcd(2y, x) is 1.
// kNoNode where an argument is no monomial.
NodeId MonomialGcd(Arena* arena, NodeId gcd);

}  // namespace cohort::reward::math
