#include "rl/evaluation/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace cohort::rl {
namespace {

constexpr double kZ = 1.959963984540054;  // 97.5 % quantile of the normal distribution

int64_t CountRight(const Verdicts& verdicts) {
  return std::count(verdicts.begin(), verdicts.end(), true);
}

}  // namespace

double PassAtK(int64_t n, int64_t c, int64_t k) {
  COHORT_CHECK(k >= 1 && k <= n && c >= 0 && c <= n, "pass@k needs 1 <= k <= n and 0 <= c <= n");
  if (n - c < k) return 1;
  double none_right = 1;
  for (int64_t i = n - c + 1; i <= n; ++i) {
    none_right *= 1 - static_cast<double>(k) / static_cast<double>(i);
  }
  return 1 - none_right;
}

Estimate WilsonInterval(double successes, int64_t trials) {
  COHORT_CHECK(trials >= 1, "an interval needs a trial");
  const auto n = static_cast<double>(trials);
  const double p = successes / n, z2 = kZ * kZ;
  const double center = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kZ / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return {p, std::sqrt(p * (1 - p) / n), std::max(0.0, center - half),
          std::min(1.0, center + half)};
}

Estimate MeanOverProblems(const std::vector<double>& values) {
  if (values.empty()) return {};
  const auto count = static_cast<int64_t>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) {
    sum += value;
    squares += value * value;
  }
  const bool all_or_nothing =
      std::all_of(values.begin(), values.end(), [](double v) { return v == 0 || v == 1; });
  if (all_or_nothing || count == 1) return WilsonInterval(sum, count);
  const auto n = static_cast<double>(count);
  Estimate estimate;
  estimate.mean = sum / n;
  const double variance = std::max(0.0, (squares - n * estimate.mean * estimate.mean) / (n - 1));
  estimate.standard_error = std::sqrt(variance / n);
  estimate.low = std::max(0.0, estimate.mean - kZ * estimate.standard_error);
  estimate.high = std::min(1.0, estimate.mean + kZ * estimate.standard_error);
  return estimate;
}

Estimate PassAtOne(const std::vector<Verdicts>& problems) {
  std::vector<double> shares;
  for (const Verdicts& verdicts : problems) {
    if (verdicts.empty()) continue;
    shares.push_back(static_cast<double>(CountRight(verdicts)) /
                     static_cast<double>(verdicts.size()));
  }
  return MeanOverProblems(shares);
}

Estimate MeanPassAtK(const std::vector<Verdicts>& problems, int64_t k) {
  std::vector<double> values;
  for (const Verdicts& verdicts : problems) {
    const auto n = static_cast<int64_t>(verdicts.size());
    if (n >= k) values.push_back(PassAtK(n, CountRight(verdicts), k));
  }
  COHORT_CHECK(!values.empty(), "no problem has k judged samples");
  return MeanOverProblems(values);
}

}  // namespace cohort::rl
