#pragma once

#include <limits>
#include <vector>

namespace cohort::rl {

// A problem of known rating, and the share of the player's samples that solved it.
struct RatedVerdict {
  double rating = 0;
  double solved = 0;
};

struct EloEstimate {
  double rating = 0;
  double standard_error = std::numeric_limits<double>::infinity();
};

// The rating r that makes the verdicts likeliest when a player solves a problem of rating d with
// probability 1 / (1 + 10^((d - r) / 400)) (Elo 1978; Codeforces rates problems so). Newton's
// method on the concave log-likelihood; standard error 1 / sqrt(Fisher information) = 400 / (ln 10
// sqrt(sum p (1 - p))) over the problems, since samples of one are not independent. A player who
// solved all (none) has no finite estimate: the rating is
// +-infinity. kUsage without verdicts or with a rating that is not finite.
EloEstimate EstimateElo(const std::vector<RatedVerdict>& verdicts);

}  // namespace cohort::rl
