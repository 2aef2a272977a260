#include "rl/objectives/policy_ratio.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <cmath>
#include <limits>

namespace cohort::rl {

at::Tensor ExpRatio(const at::Tensor& log_ratio) {
  const double largest = log_ratio.scalar_type() == at::kDouble
                             ? std::numeric_limits<double>::max()
                             : static_cast<double>(std::numeric_limits<float>::max());
  return log_ratio.clamp_max(std::log(largest) - 1).exp();
}

at::Tensor PolicyRatio(proto::Objective::Ratio kind, const at::Tensor& policy_logprobs_T,
                       const at::Tensor& old_logprobs_T, const PackedSamples& samples) {
  const at::Tensor log_ratio_T = policy_logprobs_T - old_logprobs_T;
  if (kind != proto::Objective::RATIO_SEQUENCE) return ExpRatio(log_ratio_T);
  // arXiv 2507.18071, eq. 7: the length-normalised likelihood ratio of the whole sequence.
  const at::Tensor log_ratio_B = samples.MeanOverTokens(log_ratio_T);
  return samples.SpreadToTokens(ExpRatio(log_ratio_B));
}

}  // namespace cohort::rl
