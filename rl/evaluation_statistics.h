#pragma once

// What n samples of each problem say about a model. Problems are the sampled population: samples of
// one problem are not independent of each other (arXiv 2411.00640 section 2.2).

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

// Mean over problems of their share of right samples. One sample a problem: Wilson's interval.
// More: the standard error of the problems' means, which is the clustered one. Problems without a
// judged sample are left out; without any, all is 0.
Estimate PassAtOne(const std::vector<Verdicts>& problems);

// Mean over the problems that have at least k judged samples, which must be one or more.
double MeanPassAtK(const std::vector<Verdicts>& problems, int64_t k);

// Wilson's score interval of `successes` out of `trials` >= 1 (Wilson 1927), 95 %.
Estimate WilsonInterval(double successes, int64_t trials);

}  // namespace cohort::rl
