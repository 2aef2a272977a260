#include "rl/learner/sft_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <algorithm>

namespace cohort::rl {

at::Tensor SftLoss(const at::Tensor& policy_logprobs_N, const StepTotals& totals) {
  return -policy_logprobs_N.sum() / static_cast<double>(std::max<int64_t>(totals.num_tokens, 1));
}

}  // namespace cohort::rl
