#include "rl/learner/mtp_loss.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "policy/transformer/ops/logprobs.h"
#include "rl/learner/sft_loss.h"

namespace cohort::rl {
namespace {

// Tokens i of a sequence that have a token i + depth + 1; depth 0 are the rows of the pack.
int64_t RowsAtDepth(const TrainingSequence& sequence, int64_t depth) {
  return std::max<int64_t>(0, static_cast<int64_t>(sequence.ids.size()) - depth - 1);
}

MtpBatch PackDepth(std::span<const TrainingSequence> sequences, const MicroBatch& batch,
                   int64_t depth, at::Device device) {
  std::vector<policy::Piece> pieces;
  std::vector<int64_t> parents_M, rows_N, targets_N;
  int64_t first = 0, first_parent = 0;  // rows of this sequence at this depth and the one before
  for (size_t b = 0; b < batch.sequences_B.size(); ++b) {
    const TrainingSequence& sequence = sequences[static_cast<size_t>(batch.sequences_B[b])];
    const int64_t rows = RowsAtDepth(sequence, depth);
    for (int64_t i = 0; i < rows; ++i) {
      parents_M.push_back(depth == 1 ? batch.row_spans_B[b].RowOf(i) : first_parent + i);
      const int64_t target = i + depth + 1;
      if (!CountsInLoss(sequence, target)) continue;
      rows_N.push_back(first + i);
      targets_N.push_back(sequence.ids[static_cast<size_t>(target)]);
    }
    pieces.push_back(
        {std::span(sequence.ids)
             .subspan(rows > 0 ? static_cast<size_t>(depth) : 0, static_cast<size_t>(rows))});
    first += rows;
    first_parent += RowsAtDepth(sequence, depth - 1);
  }
  return {at::tensor(parents_M, at::kLong).to(device), policy::Pack(pieces, device),
          at::tensor(rows_N, at::kLong).to(device), at::tensor(targets_N, at::kLong).to(device)};
}

}  // namespace

std::vector<MtpBatch> PackMtp(std::span<const TrainingSequence> sequences, const MicroBatch& batch,
                              int64_t depths, at::Device device) {
  std::vector<MtpBatch> packed;
  for (int64_t depth = 1; depth <= depths; ++depth) {
    packed.push_back(PackDepth(sequences, batch, depth, device));
  }
  return packed;
}

at::Tensor MtpLoss(policy::TransformerImpl& policy, const at::Tensor& hidden_TD,
                   const std::vector<MtpBatch>& depths, const StepTotals& totals) {
  at::Tensor loss = at::zeros({}, hidden_TD.options());
  at::Tensor hidden = hidden_TD;
  for (size_t d = 0; d < depths.size(); ++d) {
    const MtpBatch& depth = depths[d];
    if (depth.rows_N.numel() == 0) break;  // deeper ones have fewer
    const auto states = policy.ForwardMtp(static_cast<int64_t>(d) + 1,
                                          hidden.index_select(0, depth.parents_M), depth.next);
    const policy::TokenLogprobs tokens =
        policy::ComputeTokenLogprobs(states.predict_MD.index_select(0, depth.rows_N), policy.head(),
                                     depth.targets_N, /*temperature=*/1.0);
    loss = loss + SftLoss(tokens.logprobs_N, totals);
    hidden = states.hidden_MD;
  }
  return loss / static_cast<double>(depths.size());
}

}  // namespace cohort::rl
