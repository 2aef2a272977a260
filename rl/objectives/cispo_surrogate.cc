#include "rl/objectives/cispo_surrogate.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

namespace cohort::rl {

Surrogate CispoSurrogate(const proto::Objective& objective, const at::Tensor& ratio_T,
                         const at::Tensor& advantages_T, const at::Tensor& policy_logprobs_T) {
  const at::Tensor ratio = ratio_T.detach();
  const at::Tensor weight_T = ratio.clamp_max(objective.cispo_cap()) * advantages_T;
  return {-weight_T * policy_logprobs_T, ratio > objective.cispo_cap()};
}

}  // namespace cohort::rl
