#include "rl/evaluation/elo.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace cohort::rl {
namespace {

constexpr double kScale = 400.0 / 2.302585092994046;  // points of rating a natural logit

struct Slope {
  double excess = 0;       // solved beyond what is expected
  double information = 0;  // sum of p (1 - p)
};

Slope SlopeAt(const std::vector<RatedVerdict>& verdicts, double rating) {
  Slope slope;
  for (const RatedVerdict& verdict : verdicts) {
    const double p = 1 / (1 + std::exp((verdict.rating - rating) / kScale));
    slope.excess += verdict.solved - p;
    slope.information += p * (1 - p);
  }
  return slope;
}

}  // namespace

EloEstimate EstimateElo(const std::vector<RatedVerdict>& verdicts) {
  if (verdicts.empty()) throw Error(ErrorCode::kUsage, "a rating needs at least one verdict");
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const RatedVerdict& verdict : verdicts) {
    if (!std::isfinite(verdict.rating)) {
      throw Error(ErrorCode::kUsage, "a problem's rating is not a finite number");
    }
    low = std::min(low, verdict.rating);
    high = std::max(high, verdict.rating);
  }
  double solved = 0;
  for (const RatedVerdict& verdict : verdicts) solved += verdict.solved;
  const auto count = static_cast<double>(verdicts.size());
  if (solved == 0) return {-std::numeric_limits<double>::infinity()};
  if (solved == count) {
    return {std::numeric_limits<double>::infinity()};
  }
  // All problems as hard as the hardest, or as easy as the easiest: the root lies between.
  const double logit = kScale * std::log(solved / (count - solved));
  low += logit;
  high += logit;
  double rating = (low + high) / 2;
  for (int i = 0; i < 200; ++i) {
    const Slope slope = SlopeAt(verdicts, rating);
    (slope.excess > 0 ? low : high) = rating;
    double next = rating + kScale * slope.excess / slope.information;
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (std::abs(next - rating) < 1e-9) break;
    rating = next;
  }
  return {rating, kScale / std::sqrt(SlopeAt(verdicts, rating).information)};
}

}  // namespace cohort::rl
