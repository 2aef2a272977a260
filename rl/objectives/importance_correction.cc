#include "rl/objectives/importance_correction.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

namespace cohort::rl {

at::Tensor ImportanceCorrection(const at::Tensor& old_logprobs_T,
                                const at::Tensor& rollout_logprobs_T, double cap) {
  return (old_logprobs_T - rollout_logprobs_T).detach().exp().clamp_max(cap);
}

}  // namespace cohort::rl
