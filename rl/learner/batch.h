#pragma once

// Sequences to train on, packed into micro-batches without padding. Neighbours that have the same
// prompt share its rows.
// Shapes: T packed tokens (prompts too), N completion tokens that count, B sequences.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "policy/transformer/packed_tokens.h"
#include "rl/objectives/policy_loss_inputs.h"

namespace cohort::rl {

// One prompt and completion to train on. The vectors over the completion are empty (not known) or
// have one entry a completion token.
struct TrainingSequence {
  std::vector<int32_t> ids;             // prompt, then completion
  int64_t prompt_length = 0;            // at least 1: the first completion token needs a predictor
  std::vector<uint8_t> loss_mask;       // completion; empty: every completion token counts
  std::vector<float> rollout_logprobs;  // completion
  std::vector<float> old_logprobs;      // completion
  std::vector<float> ref_logprobs;      // completion
  double advantage = 0;                 // unused in SFT
  // The experts that the decoder sent the tokens to (policy/config/routing_format.h): of the
  // prompt, null where they are not known, and of the completion without its last token.
  std::shared_ptr<const std::string> prompt_routing = {};
  std::string routing = {};
  // Another sequence of the step has the same prompt and counts its tokens in the experts' load.
  bool prompt_counted = false;

  int64_t completion_length() const { return static_cast<int64_t>(ids.size()) - prompt_length; }
};

// True when token `i` of the sequence is a completion token that the loss counts.
bool CountsInLoss(const TrainingSequence& sequence, int64_t i);

// Where a sequence's tokens are in the pack; its last completion token is in no row.
struct RowSpan {
  int64_t prompt = 0;         // row of token 0
  int64_t completion = 0;     // row of the completion's first token
  int64_t prompt_length = 0;  // tokens

  int64_t RowOf(int64_t i) const {
    return i < prompt_length ? prompt + i : completion + i - prompt_length;
  }
};

// Row n of the N-shaped tensors is a completion token: policy::Transformer's hidden states at
// rows_N predict targets_N. Logprobs that no sequence has are undefined.
struct MicroBatch {
  policy::PackedTokens tokens;
  at::Tensor rows_N;                 // int64 indices into T
  at::Tensor targets_N;              // int64 token ids
  at::Tensor sequence_index_N;       // int64, in [0, B)
  at::Tensor rollout_logprobs_N;     // fp32
  at::Tensor old_logprobs_N;         // fp32
  at::Tensor ref_logprobs_N;         // fp32
  at::Tensor advantages_B;           // fp32
  std::vector<int64_t> sequences_B;  // which of the step's sequences these are
  std::vector<RowSpan> row_spans_B;
  // int64 indices into T of the tokens that no other micro-batch counts in the experts' load;
  // undefined: all.
  at::Tensor load_rows_L;
};

// Sets prompt_counted of all but the first of neighbours that have a prompt in common, so that the
// experts' load counts each token of a step once, however the step is split.
void MarkCommonPrompts(std::span<TrainingSequence> sequences);

// Counts of the whole optimizer step.
StepTotals CountTotals(std::span<const TrainingSequence> sequences);

// Splits sequences of these lengths into the fewest micro-batches of at most `max_tokens` that
// longest-first filling finds, balanced by token count. A sequence longer than max_tokens is alone
// in its micro-batch. Deterministic; every index comes once, ascending within its micro-batch.
std::vector<std::vector<int64_t>> PlanMicroBatches(std::span<const int64_t> lengths,
                                                   int64_t max_tokens);
// The same for sequences; those that share a prompt stay together as far as the bound allows.
// Sequences on both sides of `long_beyond` tokens share none, since they rotate it differently
// (policy/config/rope_frequencies.h); 0: all are on one side.
std::vector<std::vector<int64_t>> PlanMicroBatches(std::span<const TrainingSequence> sequences,
                                                   int64_t max_tokens, int64_t long_beyond = 0);

// Packs the chosen sequences. kInternal for a sequence whose lengths contradict each other, or when
// only some of them have rollout_logprobs (old, ref).
MicroBatch PackMicroBatch(std::span<const TrainingSequence> sequences,
                          const std::vector<int64_t>& chosen, at::Device device = at::kCPU,
                          int64_t long_beyond = 0);

// Values over N, in this micro-batch's order, back to one entry a completion token for each of its
// sequences (0 where loss_mask is false): how old_logprobs and ref_logprobs get into the sequences.
std::vector<std::vector<float>> UnpackTokens(std::span<const TrainingSequence> sequences,
                                             const MicroBatch& batch, const at::Tensor& values_N);

}  // namespace cohort::rl
