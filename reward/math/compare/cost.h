#pragma once

#include "reward/math/algebra/expression.h"
#include "reward/math/compare/conventions.h"

namespace cohort::reward::math {

// Whether an answer outruns the budget of a comparison by itself: beside its successor, or beside
// the plain fraction nearest to it. What is undecided about any other answer is that one's doing.
bool IsCostly(Arena* arena, NodeId answer, const Conventions& conventions);

}  // namespace cohort::reward::math
