#include "policy/transformer/ops/route.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sort.h>

#include <cmath>

namespace cohort::policy {
namespace {

// topk promises nothing about ties; a stable sort does.
at::Tensor LargestFirst(const at::Tensor& values, int64_t count) {
  return std::get<1>(at::sort(values, /*stable=*/true, -1, /*descending=*/true))
      .narrow(-1, 0, count);
}

// -inf, not 0, for the experts of other groups: a biased score may be negative.
at::Tensor KeepBestGroups(const at::Tensor& choice_TE, const kernels::GateRule& rule) {
  const at::Tensor grouped = choice_TE.view({choice_TE.size(0), rule.num_groups, -1});
  const at::Tensor rank_TG = rule.group_score == kernels::GroupScore::kMax
                                 ? grouped.amax(-1)
                                 : std::get<0>(grouped.topk(2)).sum(-1);
  const at::Tensor left_out_TG = at::ones_like(rank_TG, at::kBool)
                                     .scatter_(1, LargestFirst(rank_TG, rule.groups_per_token),
                                               /*value=*/false);
  return grouped.masked_fill(left_out_TG.unsqueeze(-1), -INFINITY).view(choice_TE.sizes());
}

}  // namespace

Routing Route(const at::Tensor& logits_TE, const at::Tensor& bias_E,
              const kernels::GateRule& rule) {
  const at::Tensor scores =
      rule.score == kernels::GateScore::kSigmoid ? logits_TE.sigmoid() : logits_TE.softmax(-1);
  Routing out;
  {
    const at::NoGradGuard no_grad;
    at::Tensor choice_TE = bias_E.defined() ? scores + bias_E : scores;
    if (rule.num_groups > 1) choice_TE = KeepBestGroups(choice_TE, rule);
    out.experts_TK = LargestFirst(choice_TE, rule.experts_per_token).contiguous();
  }
  at::Tensor weights = scores.gather(1, out.experts_TK);
  if (rule.normalize_weights) weights = weights / (weights.sum(1, true) + 1e-20);
  out.weights_TK = rule.routed_scaling == 1.0 ? weights : weights * rule.routed_scaling;
  return out;
}

}  // namespace cohort::policy
