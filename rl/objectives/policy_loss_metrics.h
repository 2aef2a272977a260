#pragma once

#include <algorithm>
#include <cstdint>

namespace cohort::rl {

// Sums over tokens, so that micro-batches add up; the means are over tokens, 0 when there are none.
struct PolicyLossMetrics {
  int64_t num_tokens = 0;
  double clipped_tokens = 0;
  double kl_sum = 0;  // k3, in nats: to the reference where there is one, else to the old policy
  double ratio_sum = 0;
  double ratio_max = 0;
  int64_t gap_tokens = 0;  // tokens that came with rollout_logprobs
  double gap_sum = 0;      // |old_logprobs - rollout_logprobs|, both of the policy that sampled
  double gap_max = 0;

  void Add(const PolicyLossMetrics& other) {
    num_tokens += other.num_tokens;
    clipped_tokens += other.clipped_tokens;
    kl_sum += other.kl_sum;
    ratio_sum += other.ratio_sum;
    ratio_max = std::max(ratio_max, other.ratio_max);
    gap_tokens += other.gap_tokens;
    gap_sum += other.gap_sum;
    gap_max = std::max(gap_max, other.gap_max);
  }
  double clip_fraction() const { return Mean(clipped_tokens, num_tokens); }
  double kl() const { return Mean(kl_sum, num_tokens); }
  double ratio_mean() const { return Mean(ratio_sum, num_tokens); }
  double gap_mean() const { return Mean(gap_sum, gap_tokens); }

 private:
  static double Mean(double sum, int64_t count) {
    return count > 0 ? sum / static_cast<double>(count) : 0;
  }
};

}  // namespace cohort::rl
