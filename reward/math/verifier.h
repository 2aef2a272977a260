#pragma once

// The verifier as a library call: two answers in, a verdict out. Thread-safe, without signals,
// timers or state between calls; bounded by limits.h.

#include <string>
#include <string_view>

#include "reward/math/compare/comparer.h"
#include "reward/math/compare/conventions.h"

namespace cohort::reward::math {

struct MathJudgement {
  Equality equality = Equality::kUnequal;
  // "text", "exact", "separation bound", "points", ...: how it was decided.
  const char* method = "text";
  // False where the gold answer is neither a formula nor prose: then only equal texts are equal.
  bool gold_understood = true;
  bool pred_understood = true;
  // With kUndecided: the gold answer outruns the budget whatever it is compared with. Where it does
  // not, the other answer does.
  bool gold_costly = false;
};

// Whether `pred` is the answer `gold`; both are answers alone, see extract/answer.h.
MathJudgement Judge(std::string_view gold, std::string_view pred, const Conventions& conventions);

}  // namespace cohort::reward::math
