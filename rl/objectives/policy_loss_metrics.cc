#include "rl/objectives/policy_loss_metrics.h"

#include <algorithm>

namespace cohort::rl {

void PolicyLossMetrics::Add(const PolicyLossMetrics& other) {
  num_tokens += other.num_tokens;
  clipped_tokens += other.clipped_tokens;
  kl_sum += other.kl_sum;
  ratio_sum += other.ratio_sum;
  ratio_max = std::max(ratio_max, other.ratio_max);
  gap_tokens += other.gap_tokens;
  gap_sum += other.gap_sum;
  gap_max = std::max(gap_max, other.gap_max);
}

}  // namespace cohort::rl
