#pragma once

// What multi-token prediction reads of a packed micro-batch (arXiv 2412.19437 section 2.2). Depth k
// has a row for every token i of a sequence that has a token i + k + 1, M rows in all.

#include <span>
#include <vector>

#include "rl/learner/batch.h"

namespace cohort::rl {

struct MtpBatch {
  at::Tensor parents_M;  // int64: the row of token i among depth k - 1's (those of the pack: T)
  policy::PackedTokens next;  // token i + k, at position i; every sequence is a segment of its own
  at::Tensor rows_N;          // int64 indices into M: those whose target counts
  at::Tensor targets_N;       // int64: token i + k + 1, a completion token of the loss
};

// Depth 1 to `depths` of the micro-batch that PackMicroBatch made of `sequences`. Prompts that the
// pack shares are apart here, since their last row already knows the token that follows.
std::vector<MtpBatch> PackMtp(std::span<const TrainingSequence> sequences, const MicroBatch& batch,
                              int64_t depths, at::Device device = at::kCPU);

}  // namespace cohort::rl
