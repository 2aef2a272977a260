#include "rl/objectives/kl_penalty.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/expm1.h>

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
    case proto::Objective::KL_K3: {
      // Bounded as verl's low_var_kl: one token at d = -30 would take the whole clipped step.
      const at::Tensor bounded_T = d_T.clamp(-20, 20);
      // expm1 keeps the digits that exp(-d) - 1 loses near d = 0.
      return (at::expm1(-bounded_T) + bounded_T).clamp(-10, 10);
    }
    case proto::Objective::KL_NONE:
      break;
  }
  COHORT_CHECK(false, "no KL estimate was chosen");
}

}  // namespace cohort::rl
