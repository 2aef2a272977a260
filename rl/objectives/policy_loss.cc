#include "rl/objectives/policy_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/stack.h>

#include "base/error.h"
#include "rl/objectives/aggregation.h"
#include "rl/objectives/cispo_surrogate.h"
#include "rl/objectives/clipped_surrogate.h"
#include "rl/objectives/importance_correction.h"
#include "rl/objectives/kl_penalty.h"
#include "rl/objectives/objective.h"
#include "rl/objectives/policy_ratio.h"

namespace cohort::rl {
namespace {

void CheckInputs(const proto::Objective& objective, const PolicyLossInputs& inputs) {
  CheckObjective(objective);
  const int64_t num_tokens = inputs.policy_logprobs_T.numel();
  const auto has_all_tokens = [&](const at::Tensor& tensor_T) {
    return !tensor_T.defined() || (tensor_T.dim() == 1 && tensor_T.numel() == num_tokens);
  };
  COHORT_CHECK(inputs.policy_logprobs_T.dim() == 1 && inputs.advantages_B.dim() == 1 &&
                   inputs.sequence_index_T.defined() && has_all_tokens(inputs.sequence_index_T) &&
                   has_all_tokens(inputs.old_logprobs_T) &&
                   has_all_tokens(inputs.rollout_logprobs_T) &&
                   has_all_tokens(inputs.ref_logprobs_T),
               "the loss's inputs do not have one entry a token");
  if (NeedsRefLogprobs(objective) && !inputs.ref_logprobs_T.defined()) {
    throw Error(ErrorCode::kUsage, "a KL term needs ref_logprobs, which are not there",
                "give the reference policy's logprobs, or set kl to none and kl_coef to 0");
  }
  if (NeedsRolloutLogprobs(objective) && !inputs.rollout_logprobs_T.defined()) {
    throw Error(ErrorCode::kUsage, "is_correction needs rollout_logprobs, which are not there",
                "give the decoder's logprobs, or set is_correction to none");
  }
}

struct Terms {
  at::Tensor policy_T;  // detached
  at::Tensor old_T;
  at::Tensor ratio_T;
  at::Tensor clipped_T;
};

// One transfer from the device for all of them.
PolicyLossMetrics Measure(const PolicyLossInputs& inputs, const Terms& terms) {
  PolicyLossMetrics metrics;
  metrics.num_tokens = terms.policy_T.numel();
  if (metrics.num_tokens == 0) return metrics;
  const at::Tensor other_T = inputs.ref_logprobs_T.defined() ? inputs.ref_logprobs_T : terms.old_T;
  const at::Tensor ratio_T = terms.ratio_T.detach();
  std::vector<at::Tensor> sums = {
      terms.clipped_T.sum(at::kDouble),
      KlEstimate(proto::Objective::KL_K3, terms.policy_T, other_T).sum(at::kDouble),
      ratio_T.sum(at::kDouble), ratio_T.max().to(at::kDouble)};
  if (inputs.rollout_logprobs_T.defined()) {
    // Both are the policy that sampled: the learner's recomputation and the decoder's report.
    const at::Tensor gap_T = (terms.old_T - inputs.rollout_logprobs_T).abs();
    sums.push_back(gap_T.sum(at::kDouble));
    sums.push_back(gap_T.max().to(at::kDouble));
  }
  const at::Tensor host = at::stack(sums).cpu();
  const double* values = host.const_data_ptr<double>();
  metrics.clipped_tokens = values[0];
  metrics.kl_sum = values[1];
  metrics.ratio_sum = values[2];
  metrics.ratio_max = values[3];
  if (inputs.rollout_logprobs_T.defined()) {
    metrics.gap_tokens = metrics.num_tokens;
    metrics.gap_sum = values[4];
    metrics.gap_max = values[5];
  }
  return metrics;
}

}  // namespace

PolicyLoss ComputePolicyLoss(const proto::Objective& objective, const PolicyLossInputs& inputs) {
  CheckInputs(objective, inputs);
  const at::Tensor& policy_T = inputs.policy_logprobs_T;
  const at::Tensor old_T =
      inputs.old_logprobs_T.defined() ? inputs.old_logprobs_T : policy_T.detach();
  const PackedSamples samples{inputs.sequence_index_T, inputs.advantages_B.numel()};
  const at::Tensor advantages_T = samples.SpreadToTokens(inputs.advantages_B);

  const at::Tensor ratio_T = PolicyRatio(objective.ratio(), policy_T, old_T, samples);
  const Surrogate surrogate = objective.ratio() == proto::Objective::RATIO_CISPO
                                  ? CispoSurrogate(objective, ratio_T, advantages_T, policy_T)
                                  : ClippedSurrogate(objective, ratio_T, advantages_T);

  at::Tensor loss_T = surrogate.loss_T;
  if (objective.is_correction() == proto::Objective::IS_CORRECTION_TOKEN) {
    loss_T = loss_T * ImportanceCorrection(old_T, inputs.rollout_logprobs_T, objective.is_cap());
  }
  if (NeedsRefLogprobs(objective)) {
    loss_T =
        loss_T + objective.kl_coef() * KlEstimate(objective.kl(), policy_T, inputs.ref_logprobs_T);
  }
  const at::Tensor weight_T = TokenWeights(objective, samples, inputs.totals, policy_T);
  return {(weight_T * loss_T).sum(),
          Measure(inputs, {policy_T.detach(), old_T, ratio_T, surrogate.clipped_T})};
}

PolicyObjective MakePolicyObjective(const proto::Objective& objective) {
  CheckObjective(objective);
  return {
      [objective](const PolicyLossInputs& inputs) { return ComputePolicyLoss(objective, inputs); },
      NeedsRefLogprobs(objective)};
}

}  // namespace cohort::rl
