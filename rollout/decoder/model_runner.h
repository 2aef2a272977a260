#pragma once

// The seam between the decoder and a device. The decoder decides which tokens a step computes,
// which blocks of the KV cache they use, and draws from logits; a runner owns the weights, the
// memory of the KV cache and the forward pass. There is one virtual call a step.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "policy/weights/weight_source.h"

namespace cohort::rollout {

// The sizes of a runner's model and memory that the decoder works with.
struct RunnerShape {
  int64_t vocab_size = 0;
  int64_t max_positions = 0;  // of one sequence: prompt and completion together
  int64_t num_blocks = 0;     // of the KV cache
  int64_t block_tokens = 0;   // tokens a block holds, over the layers of one group
  int num_workers = 1;        // threads that may be inside the LogitsSink at the same time
  // The groups of layers, all with as many layers, so that a block serves any of them. A sequence
  // has a block table for each. A layer of a group sees a token and the windows[group] - 1 before
  // it; 0: all before it.
  std::vector<int64_t> windows = {0};
  // Above 0: a sequence of more tokens has other keys from its first token on (LongRoPE's long
  // factors, arXiv 2402.13753), so one that grows beyond it is computed again.
  int64_t rope_boundary = 0;
  int64_t num_states = 0;     // slots of recurrent states; 0: the model has none
  int64_t routing_bytes = 0;  // of a token (policy/config/routing_format.h); 0: a dense model
};

// Of one sequence and one group of layers: entry i is the block of the i-th run of block_tokens
// tokens, or kNoBlock where no row that is still to be computed sees one of them.
using BlockTable = std::vector<int32_t>;
constexpr int32_t kNoBlock = -1;

// Of a sequence without a recurrent state.
constexpr int32_t kNoState = -1;

// Block `to`, or slot of a recurrent state, gets what `from` holds.
struct BlockCopy {
  int32_t from = 0;
  int32_t to = 0;
  bool operator==(const BlockCopy&) const = default;
};

// Consecutive tokens of one sequence.
struct SequenceRows {
  std::span<const int32_t> tokens;
  int64_t start = 0;  // position of tokens[0]
  // One for each group of layers, up to start + tokens.size(); a row's block and those that it sees
  // are there.
  std::span<const BlockTable> tables;
  int64_t num_logits = 0;        // logits are wanted of this many of the last tokens
  bool beyond_boundary = false;  // the sequence is longer than rope_boundary, these rows' keys too
  // Slot of the recurrent state after the tokens before `start`, which goes on by these; from zero
  // where start is 0.
  int32_t state = kNoState;
  uint8_t* routing = nullptr;  // gets routing_bytes a token; null: not wanted
};

struct ModelStep {
  std::span<const BlockCopy> copies;  // done in this order before the step writes anything
  std::span<const SequenceRows> sequences;
  std::span<const BlockCopy> state_copies = {};  // likewise, of slots
};

// Logits of one token of the step.
struct LogitsRow {
  size_t sequence = 0;            // index into ModelStep::sequences
  size_t token = 0;               // index into its tokens
  const float* logits = nullptr;  // fp32 [vocab_size] in host memory, valid during the call
  int worker = 0;                 // below num_workers; a worker makes one call at a time
};
using LogitsSink = std::function<void(const LogitsRow& row)>;

// Single-threaded: the decoder calls it from the thread that owns it.
class ModelRunner {
 public:
  virtual ~ModelRunner() = default;

  virtual RunnerShape shape() const = 0;

  // Copies every tensor into memory of its own, taken one by one; called before the first step, and
  // again, between steps, for new weights. kUsage naming a tensor that is missing or has another
  // shape.
  virtual void LoadWeights(policy::WeightSource& weights) = 0;

  // Writes the keys and values of all rows into their blocks and hands the wanted logits to `sink`,
  // in any order, from any worker. A row's bits depend on the tokens before it in its sequence
  // alone. Rethrows what `sink` throws.
  virtual void Step(const ModelStep& step, const LogitsSink& sink) = 0;
};

}  // namespace cohort::rollout
