#include "rl/learner/mtp_loss.h"

#include <ATen/ATen.h>

#include "policy/transformer/ops/logprobs.h"
#include "rl/learner/sft_loss.h"

namespace cohort::rl {

at::Tensor MtpLoss(policy::Transformer& policy, const at::Tensor& hidden_TD,
                   const std::vector<MtpBatch>& depths, const StepTotals& totals) {
  at::Tensor loss = at::zeros({}, hidden_TD.options());
  at::Tensor hidden = hidden_TD;
  for (size_t d = 0; d < depths.size(); ++d) {
    const MtpBatch& depth = depths[d];
    if (depth.rows_N.numel() == 0) break;  // deeper ones have fewer
    const auto states = policy->ForwardMtp(static_cast<int64_t>(d) + 1,
                                           hidden.index_select(0, depth.parents_M), depth.next);
    const policy::TokenLogprobs tokens =
        policy::ComputeTokenLogprobs(states.predict_MD.index_select(0, depth.rows_N),
                                     policy->head_weight(), depth.targets_N, /*temperature=*/1.0);
    loss = loss + SftLoss(tokens.logprobs_N, totals);
    hidden = states.hidden_MD;
  }
  return loss / static_cast<double>(depths.size());
}

}  // namespace cohort::rl
