#pragma once

// The report of `cohort eval` on judged samples.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rl/data/problem.h"
#include "rl/evaluation/judged_episode.h"

namespace cohort::rl {

struct EvalReportOptions {
  // pass@k and maj@k for each; at most the samples a problem. None: for the samples that every
  // problem has, where they are more than one.
  std::vector<int64_t> ks = {};
  std::vector<std::string> by = {};  // columns: the same figures for each of their values
  std::string rating_column =
      {};  // not empty: an Elo estimate (rl/evaluation/elo.h) from the first samples
};

// "accuracy" with its "confidence_95" and "standard_error", "pass_at_k" and "maj_at_k" with
// "pass_at_k_confidence_95" and "maj_at_k_confidence_95", "by", "elo". Problems without a judged
// sample count in none of them; maj@k is there where the answers are grouped
// (rl/evaluation/answer_groups.h). kUsage for a column that no problem has, a rating that is not a
// number, or a k above the judged samples of every problem.
nlohmann::ordered_json ReportEvaluation(const std::vector<Problem>& problems,
                                        const std::vector<std::vector<JudgedEpisode>>& outcomes,
                                        const EvalReportOptions& options);

// A line for each sample: problem's index, prompt, answer, completion, score, detail; the answer
// that was found in it ("extracted") and the number that samples with an equivalent one share
// ("answer_group"), null where the reward looks for none.
void WriteGradedSamples(const std::string& path, const std::vector<Problem>& problems,
                        const std::vector<std::vector<JudgedEpisode>>& outcomes);

}  // namespace cohort::rl
