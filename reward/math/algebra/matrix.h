#pragma once

#include "reward/math/algebra/expression.h"

namespace cohort::reward::math {

// A sum, product, negation, quotient, power, transpose, determinant or trace whose operands hold
// matrices, as one matrix (or as a scalar) of expressions. kNoNode where the shapes do not fit.
NodeId MatrixArithmetic(Arena* arena, NodeId id);

}  // namespace cohort::reward::math
