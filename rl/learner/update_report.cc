#include "rl/learner/update_report.h"

#include <array>

namespace cohort::rl {

UpdateReport SumReport(Ranks& ranks, const UpdateSums& own) {
  // Counts are exact as doubles.
  std::array<double, 14> sums = {own.loss,
                                 own.entropy,
                                 static_cast<double>(own.entropy_tokens),
                                 static_cast<double>(own.trained_tokens),
                                 own.mtp_loss.value_or(0),
                                 own.mtp_loss.has_value() ? 1.0 : 0.0,
                                 static_cast<double>(own.policy.num_tokens),
                                 own.policy.clipped_tokens,
                                 own.policy.kl_sum,
                                 own.policy.ratio_sum,
                                 static_cast<double>(own.policy.gap_tokens),
                                 own.policy.gap_sum,
                                 static_cast<double>(own.replayed_tokens),
                                 static_cast<double>(own.rerouted_tokens)};
  ranks.SumValues(sums);
  std::array<double, 2> largest = {own.policy.ratio_max, own.policy.gap_max};
  ranks.MaxValues(largest);

  UpdateReport report;
  report.loss = sums[0];
  report.entropy = sums[2] == 0 ? 0 : sums[1] / sums[2];
  report.trained_tokens = static_cast<int64_t>(sums[3]);
  if (sums[5] > 0) report.mtp_loss = sums[4];
  report.policy.num_tokens = static_cast<int64_t>(sums[6]);
  report.policy.clipped_tokens = sums[7];
  report.policy.kl_sum = sums[8];
  report.policy.ratio_sum = sums[9];
  report.policy.ratio_max = largest[0];
  report.policy.gap_tokens = static_cast<int64_t>(sums[10]);
  report.policy.gap_sum = sums[11];
  report.policy.gap_max = largest[1];
  report.replayed_tokens = static_cast<int64_t>(sums[12]);
  report.rerouted_tokens = static_cast<int64_t>(sums[13]);
  return report;
}

}  // namespace cohort::rl
