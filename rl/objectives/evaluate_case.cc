#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include "base/error.h"
#include "rl/objectives/advantages.h"
#include "rl/objectives/objective_case.h"
#include "rl/objectives/policy_loss.h"

namespace cohort::rl {
namespace {

// The place in the case that a packed token comes from.
struct TokenPlace {
  size_t group;
  size_t sample;
  size_t token;
};

struct PackedCase {
  std::vector<TokenPlace> places_T;
  std::vector<int64_t> sequence_index_T;
  std::vector<double> advantages_B;
};

PackedCase PackCase(const ObjectiveCase& objective_case,
                    const std::vector<std::vector<std::optional<double>>>& advantages) {
  PackedCase packed;
  for (size_t p = 0; p < objective_case.groups.size(); ++p) {
    const CaseGroup& group = objective_case.groups[p];
    for (size_t g = 0; g < group.rewards.size(); ++g) {
      if (!advantages[p][g]) continue;
      for (size_t t = 0; t < group.policy_logprobs[g].size(); ++t) {
        if (group.loss_mask && !(*group.loss_mask)[g][t]) continue;
        packed.places_T.push_back({p, g, t});
        packed.sequence_index_T.push_back(static_cast<int64_t>(packed.advantages_B.size()));
      }
      packed.advantages_B.push_back(*advantages[p][g]);
    }
  }
  return packed;
}

// Values of one kind for every packed token. Undefined when a group lacks them, except that missing
// old_logprobs are the policy's own.
at::Tensor Gather(const ObjectiveCase& objective_case, const PackedCase& packed,
                  std::optional<TokenValues> CaseGroup::*field) {
  const bool is_old = field == &CaseGroup::old_logprobs;
  std::vector<double> values_T;
  for (const TokenPlace& place : packed.places_T) {
    const CaseGroup& group = objective_case.groups[place.group];
    const std::optional<TokenValues>& values = group.*field;
    if (!values && !is_old) return {};
    values_T.push_back((values ? *values : group.policy_logprobs)[place.sample][place.token]);
  }
  return at::tensor(values_T, at::kDouble);
}

at::Tensor GatherPolicy(const ObjectiveCase& objective_case, const PackedCase& packed) {
  std::vector<double> values_T;
  for (const TokenPlace& place : packed.places_T) {
    const CaseGroup& group = objective_case.groups[place.group];
    values_T.push_back(group.policy_logprobs[place.sample][place.token]);
  }
  return at::tensor(values_T, at::kDouble).requires_grad_(true);
}

std::vector<TokenValues> ScatterGrad(const ObjectiveCase& objective_case, const PackedCase& packed,
                                     const at::Tensor& grad_T) {
  std::vector<TokenValues> grad;
  for (const CaseGroup& group : objective_case.groups) {
    grad.push_back(group.policy_logprobs);
    for (std::vector<double>& row : grad.back()) std::fill(row.begin(), row.end(), 0.0);
  }
  if (!grad_T.defined()) return grad;  // no token counts
  for (size_t t = 0; t < packed.places_T.size(); ++t) {
    const TokenPlace& place = packed.places_T[t];
    grad[place.group][place.sample][place.token] = grad_T[static_cast<int64_t>(t)].item<double>();
  }
  return grad;
}

}  // namespace

CaseResult EvaluateCase(const ObjectiveCase& objective_case) {
  CaseResult result;
  for (const CaseGroup& group : objective_case.groups) {
    result.advantages.push_back(ComputeAdvantages(objective_case.objective, group.rewards));
  }
  const PackedCase packed = PackCase(objective_case, result.advantages);

  PolicyLossInputs inputs;
  inputs.policy_logprobs_T = GatherPolicy(objective_case, packed);
  inputs.old_logprobs_T = Gather(objective_case, packed, &CaseGroup::old_logprobs);
  inputs.rollout_logprobs_T = Gather(objective_case, packed, &CaseGroup::rollout_logprobs);
  inputs.ref_logprobs_T = Gather(objective_case, packed, &CaseGroup::ref_logprobs);
  inputs.advantages_B = at::tensor(packed.advantages_B, at::kDouble);
  inputs.sequence_index_T = at::tensor(packed.sequence_index_T, at::kLong);
  inputs.totals = {static_cast<int64_t>(packed.places_T.size()),
                   static_cast<int64_t>(packed.advantages_B.size())};

  const PolicyLoss policy_loss = ComputePolicyLoss(objective_case.objective, inputs);
  policy_loss.loss.backward();
  result.loss = policy_loss.loss.item<double>();
  result.grad = ScatterGrad(objective_case, packed, inputs.policy_logprobs_T.grad());
  result.metrics = policy_loss.metrics;
  return result;
}

}  // namespace cohort::rl
