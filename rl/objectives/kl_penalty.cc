#include "rl/objectives/kl_penalty.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace cohort::rl {

at::Tensor KlEstimate(proto::Objective::Kl kind, const at::Tensor& policy_logprobs_T,
                      const at::Tensor& other_logprobs_T) {
  const at::Tensor d_T = policy_logprobs_T - other_logprobs_T;
  switch (kind) {
    case proto::Objective::KL_K1:
      return d_T;
    case proto::Objective::KL_K2:
      return d_T * d_T / 2;
    case proto::Objective::KL_K3:
      return at::expm1(-d_T) + d_T;  // expm1 keeps the digits that exp(-d) - 1 loses near d = 0
    case proto::Objective::KL_NONE:
      break;
  }
  COHORT_CHECK(false, "no KL estimate was chosen");
}

}  // namespace cohort::rl
