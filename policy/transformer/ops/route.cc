#include "policy/transformer/ops/route.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sort.h>

#include <cmath>
#include <vector>

#include "kernels/cpu/gate_weights.h"
#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

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

at::Tensor Pick(const at::Tensor& scores_TE, const at::Tensor& bias_E,
                const kernels::GateRule& rule) {
  const at::NoGradGuard no_grad;
  at::Tensor choice_TE = bias_E.defined() ? scores_TE + bias_E : scores_TE;
  if (rule.num_groups > 1) choice_TE = KeepBestGroups(choice_TE, rule);
  return LargestFirst(choice_TE, rule.experts_per_token).contiguous();
}

// Without a gradient. `given_TK`: experts that were picked elsewhere; undefined: none.
Routing RouteByKernel(const at::Tensor& logits_TE, const at::Tensor& bias_E,
                      const kernels::GateRule& rule, const at::Tensor& given_TK = {}) {
  const at::NoGradGuard no_grad;
  const at::Tensor logits = logits_TE.contiguous();
  const at::Tensor bias = bias_E.defined() ? bias_E.contiguous() : at::Tensor();
  const int64_t tokens = logits.size(0), picks = rule.experts_per_token;
  const at::Tensor experts = given_TK.defined() ? given_TK.to(at::kInt).contiguous()
                                                : at::empty({tokens, picks}, at::kInt);
  const Routing out{{}, at::empty({tokens, picks}, at::kFloat)};
  const float* from = logits.const_data_ptr<float>();
  const float* added = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  int32_t* picked = experts.mutable_data_ptr<int32_t>();
  float* weights = out.weights_TK.mutable_data_ptr<float>();
  const kernels::Ops& ops = kernels::BestOps();
  ForEachRow(tokens, [&](int64_t t) {
    const float* row = from + t * logits.size(1);
    const int64_t at = t * picks;
    if (given_TK.defined()) {
      std::vector<float> scores(static_cast<size_t>(logits.size(1)));
      kernels::ScoreExperts(ops, rule, row, scores.data());
      kernels::WeighExperts(rule, scores.data(), picked + at, weights + at);
    } else {
      kernels::PickExperts(ops, rule, row, added, picked + at, weights + at);
    }
  });
  return {given_TK.defined() ? given_TK : experts.to(at::kLong), out.weights_TK};
}

// The weights of picked experts, with their gradient.
at::Tensor WeightsOf(const at::Tensor& scores_TE, const at::Tensor& experts_TK,
                     const kernels::GateRule& rule) {
  at::Tensor weights = scores_TE.gather(1, experts_TK);
  if (rule.normalize_weights) weights = weights / (weights.sum(1, true) + 1e-20);
  return rule.routed_scaling == 1.0 ? weights : weights * rule.routed_scaling;
}

at::Tensor ScoresOf(const at::Tensor& logits_TE, const kernels::GateRule& rule) {
  return rule.score == kernels::GateScore::kSigmoid ? logits_TE.sigmoid() : logits_TE.softmax(-1);
}

// The kernel's values, which differ in their last bits, with LibTorch's gradient.
Routing WithGradient(const Routing& exact, const at::Tensor& scores_TE,
                     const kernels::GateRule& rule) {
  const at::Tensor weights = WeightsOf(scores_TE, exact.experts_TK, rule);
  return {exact.experts_TK, weights + (exact.weights_TK - weights.detach())};
}

}  // namespace

Routing Route(const at::Tensor& logits_TE, const at::Tensor& bias_E,
              const kernels::GateRule& rule) {
  const at::Tensor scores = ScoresOf(logits_TE, rule);
  if (BackendFor(logits_TE) == Backend::kLibTorch) {
    const at::Tensor experts = Pick(scores, bias_E, rule);
    return {experts, WeightsOf(scores, experts, rule)};
  }
  return WithGradient(RouteByKernel(logits_TE, bias_E, rule), scores, rule);
}

Routing RouteTo(const at::Tensor& experts_TK, const at::Tensor& logits_TE,
                const kernels::GateRule& rule) {
  const at::Tensor scores = ScoresOf(logits_TE, rule);
  if (BackendFor(logits_TE, experts_TK) == Backend::kLibTorch) {
    return {experts_TK, WeightsOf(scores, experts_TK, rule)};
  }
  return WithGradient(RouteByKernel(logits_TE, {}, rule, experts_TK), scores, rule);
}

int64_t CountDifferentlyRouted(const at::Tensor& a_TK, const at::Tensor& b_TK) {
  const auto sorted = [](const at::Tensor& x) { return std::get<0>(at::sort(x, -1)); };
  return (sorted(a_TK) != sorted(b_TK)).any(-1).sum().item<int64_t>();
}

}  // namespace cohort::policy
