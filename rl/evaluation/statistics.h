#pragma once

// Estimates about a model from n samples of each problem. Problems are the sampled population:
// samples of one problem are not independent of each other (arXiv 2411.00640 section 2.2).

#include <cstdint>
#include <vector>

namespace cohort::rl {

// Judged samples of one problem, in the order they were drawn.
using Verdicts = std::vector<bool>;

// Unbiased estimate of the chance that one of k samples is right, of n with c right:
// 1 - C(n - c, k) / C(n, k) (arXiv 2107.03374, eq. 1). 1 <= k <= n.
double PassAtK(int64_t n, int64_t c, int64_t k);

struct Estimate {
  double mean = 0;
  double standard_error = 0;
  double low = 0, high = 0;  // 95 % confidence interval within [0, 1]
};

// Mean of one value in [0, 1] a problem. Where each is 0 or 1, and for a single one: Wilson's
// interval. Else the standard error of the problems' values, which is the clustered one where each
// is a mean over samples. Without a value, all is 0.
Estimate MeanOverProblems(const std::vector<double>& values);

// The mean of the problems' shares of right samples. Problems without a judged sample are left out.
Estimate PassAtOne(const std::vector<Verdicts>& problems);

// The mean of PassAtK over the problems that have at least k judged samples, which must be one or
// more.
Estimate MeanPassAtK(const std::vector<Verdicts>& problems, int64_t k);

// Wilson's score interval of `successes` out of `trials` >= 1 (Wilson 1927), 95 %.
Estimate WilsonInterval(double successes, int64_t trials);

}  // namespace cohort::rl
