#pragma once

#include "rl/run/evaluation_history.h"
#include "rl/run/run_context.h"

namespace cohort::rl {

// Prints the end of a finished run on the console: the accuracies, answers before and after, where
// the trained model lies, and what to type next. `seconds`: of this program.
void PrintSummary(const RunContext& context, const EvaluationHistory& evaluations, double seconds);

}  // namespace cohort::rl
