#pragma once

// maj@k: whether the answer that most of k samples hold is right (arXiv 2203.11171).

#include <cstdint>
#include <vector>

#include "rl/evaluation/statistics.h"

namespace cohort::rl {

// How many samples of one problem hold each answer. Samples without an answer vote too, for having
// none, as in lm-evaluation-harness, where "[invalid]" is a vote like another.
struct AnswerVotes {
  int64_t right = 0;                 // samples that hold the right answer
  std::vector<int64_t> others = {};  // of each other answer

  int64_t total() const;
};

// The chance that the right answer wins the vote of k samples drawn from these without replacement.
// An answer that ties with m others wins in 1 of m + 1 such votes. Exact: no subsets are drawn.
// 1 <= k <= total. Time grows as total * k^2.
double MajAtK(const AnswerVotes& votes, int64_t k);

// Mean over the problems that have at least k votes, which must be one or more.
Estimate MeanMajAtK(const std::vector<AnswerVotes>& problems, int64_t k);

}  // namespace cohort::rl
