#include "rl/learner/mtp_batch.h"

#include <algorithm>

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

}  // namespace cohort::rl
