#pragma once

// The verifier as a library call: two answers in, a verdict out. Thread-safe, without signals,
// timers or state between calls; bounded by limits.h.

#include <string>
#include <string_view>

#include "reward/math/compare/compare.h"
#include "reward/math/conventions.h"

namespace cohort::reward::math {

struct Judgement {
  Verdict verdict = Verdict::kUnequal;
  // "text", "exact", "separation bound", "points", ...: how it was decided.
  const char* method = "text";
  // False where the gold answer is neither a formula nor prose: then only equal texts are equal.
  bool gold_understood = true;
  bool pred_understood = true;
};

// Whether `pred` is the answer `gold`; both are answers alone, see answer_extraction.h.
Judgement Judge(std::string_view gold, std::string_view pred, const Conventions& conventions);

// Whether the text is a formula as a whole.
bool IsFormulaText(std::string_view text);

}  // namespace cohort::reward::math
