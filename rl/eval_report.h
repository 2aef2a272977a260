#pragma once

// What `cohort eval` says of judged samples.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rl/dataset.h"
#include "rl/evaluation.h"

namespace cohort::rl {

struct EvalReportOptions {
  std::vector<int64_t> ks = {};      // pass@k for each; at most the samples a problem
  std::vector<std::string> by = {};  // columns: pass@1 for each of their values
  std::string rating_column = {};    // not empty: an Elo estimate (rl/elo.h) from the first samples
};

// "accuracy" with its "confidence_95" and "standard_error", "pass_at_k", "by", "elo". Problems
// without a judged sample count in none of them. kUsage for a column that no problem has, a rating
// that is not a number, or a k above the judged samples of every problem.
nlohmann::ordered_json ReportEvaluation(const std::vector<Problem>& problems,
                                        const std::vector<std::vector<JudgedSample>>& outcomes,
                                        const EvalReportOptions& options);

// A line for each sample: problem's index, prompt, answer, completion, score, detail.
void WriteGradedSamples(const std::string& path, const std::vector<Problem>& problems,
                        const std::vector<std::vector<JudgedSample>>& outcomes);

}  // namespace cohort::rl
