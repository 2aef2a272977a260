#pragma once

// Derivatives by the rules; integrals of sums of powers and of the elementary functions of a
// linear argument.

#include <string>

#include "reward/math/algebra/expression.h"

namespace cohort::reward::math {

// kNoNode where a rule is missing.
NodeId Differentiate(Arena* arena, NodeId id, const std::string& variable);

// A kIntegral carried out: the antiderivative without a constant, or its difference between the
// bounds. kNoNode where a rule is missing.
NodeId Integrate(Arena* arena, NodeId integral);

}  // namespace cohort::reward::math
