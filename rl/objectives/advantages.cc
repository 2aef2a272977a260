#include "rl/objectives/advantages.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace cohort::rl {
namespace {

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Centred first: the one-pass E[x^2] - E[x]^2 loses every digit when rewards are large and close.
double Std(const std::vector<double>& centred, int ddof) {
  double sum = 0;
  for (const double value : centred) sum += value * value;
  return std::sqrt(sum / (static_cast<double>(centred.size()) - ddof));
}

// Rewards of at least two samples that are not all equal.
std::vector<double> Normalize(const proto::Objective& objective,
                              const std::vector<double>& rewards) {
  const double mean = Mean(rewards);
  std::vector<double> advantages(rewards.size());
  for (size_t i = 0; i < rewards.size(); ++i) advantages[i] = rewards[i] - mean;

  double scale = 1;
  switch (objective.advantage()) {
    case proto::Objective::ADVANTAGE_GROUP_MEAN_STD:  // arXiv 2402.03300, section 4.1.2
      scale = 1 / (Std(advantages, objective.std_ddof()) + objective.std_eps());
      break;
    case proto::Objective::ADVANTAGE_GROUP_MEAN:  // arXiv 2503.20783, section 3.2
      break;
    case proto::Objective::ADVANTAGE_RLOO: {
      // arXiv 2402.14740, leave-one-out: (G r - sum) / (G - 1)
      const double group_size = static_cast<double>(rewards.size());
      scale = group_size / (group_size - 1);
      break;
    }
  }
  for (double& advantage : advantages) advantage *= scale;
  return advantages;
}

// Weighted sums of the same scores may differ in their last bits, which a small standard deviation
// would blow up to an advantage of 1.
bool EqualToRounding(const std::vector<double>& rewards) {
  if (rewards.empty()) return true;
  const auto [lowest, highest] = std::minmax_element(rewards.begin(), rewards.end());
  const double size = std::max(std::abs(*lowest), std::abs(*highest));
  return *highest - *lowest <= 16 * std::numeric_limits<double>::epsilon() * size;
}

}  // namespace

GroupAdvantages ComputeAdvantages(const proto::Objective& objective,
                                  std::span<const std::optional<double>> rewards) {
  std::vector<double> scored;
  for (const std::optional<double>& reward : rewards) {
    if (!reward) continue;
    COHORT_CHECK(std::isfinite(*reward), "a reward is not finite; mark the sample as failed");
    scored.push_back(*reward);
  }
  const bool all_equal = EqualToRounding(scored);
  const std::vector<double> normalized =
      all_equal ? std::vector<double>(scored.size(), 0.0) : Normalize(objective, scored);

  GroupAdvantages advantages;
  advantages.reserve(rewards.size());
  size_t next = 0;
  for (const std::optional<double>& reward : rewards) {
    advantages.push_back(reward ? std::optional(normalized[next++]) : std::nullopt);
  }
  return advantages;
}

}  // namespace cohort::rl
