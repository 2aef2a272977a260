#pragma once

// Multi-token prediction (arXiv 2412.19437 section 2.2) of a packed micro-batch. Depth k has a row
// for every token i of a sequence that has a token i + k + 1, M rows in all.

#include <span>
#include <vector>

#include "policy/transformer/transformer.h"
#include "rl/learner/batch.h"
#include "rl/objectives/policy_loss_inputs.h"

namespace cohort::rl {

// The inputs of one depth.
struct MtpBatch {
  at::Tensor parents_M;  // int64: the row of token i among depth k - 1's (those of the pack: T)
  policy::PackedTokens next;  // token i + k, at position i; every sequence is a segment of its own
  at::Tensor rows_N;          // int64 indices into M: those whose target counts
  at::Tensor targets_N;       // int64: token i + k + 1, a completion token of the loss
};

// Depth 1 to `depths` of the micro-batch that PackMicroBatch made of `sequences`. A prompt that
// several sequences of the pack share is packed for each of them here: the row of its last token
// already reads the token that follows, which differs.
std::vector<MtpBatch> PackMtp(std::span<const TrainingSequence> sequences, const MicroBatch& batch,
                              int64_t depths, at::Device device = at::kCPU);

// Mean over the depths of their cross-entropies, each a mean over the tokens of the whole optimizer
// step as SftLoss is: arXiv 2412.19437 eq. 24 and 25 without lambda. `hidden_TD` is the policy's
// forward of the pack. Differentiable, in the policy's embedding and head and `hidden_TD` too.
at::Tensor MtpLoss(policy::TransformerImpl& policy, const at::Tensor& hidden_TD,
                   const std::vector<MtpBatch>& depths, const StepTotals& totals);

}  // namespace cohort::rl
