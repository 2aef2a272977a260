#pragma once

// The state of a group of sequences that share a prompt: the scheduler and the decoder's step both
// work on it.

#include <cstdint>
#include <string>
#include <vector>

#include "rollout/decoder/block_pool.h"
#include "rollout/request.h"

namespace cohort::rollout {

enum class SequenceState {
  kWaiting,  // no KV of its own: not started, or preempted
  kRunning,  // its tables cover the prompt and `computed` tokens of its completion
  kFinished,
};

// One sample of a group.
struct Sequence {
  uint64_t sample_id = 0;
  SequenceState state = SequenceState::kWaiting;
  std::vector<int32_t> ids;  // drawn so far
  std::vector<float> logprobs;
  std::string routing;  // of the ids that have been computed; empty where it is not recorded
  size_t told = 0;      // ids that the decoder's listener knows
  // It has outgrown RunnerShape::rope_boundary, and its group's prompt has not: it shares no block,
  // but computes the prompt's tokens itself.
  bool apart = false;
  BlockTables blocks;
  int32_t recurrent = kNoState;  // slot of the recurrent state, which has seen as many tokens
  // Ids whose keys and values are in the cache. Negative: so many tokens of the prompt are still to
  // be computed before them.
  int64_t computed = 0;

  int64_t remaining() const { return static_cast<int64_t>(ids.size()) - computed; }
};

struct SequenceGroup {
  GroupRequest request;
  std::vector<Sequence> samples;
  // The prompt is computed once into the group's own tables, from which samples fork: whole blocks
  // are shared, a partly filled last block is copied, or moved to the last sample that needs it. Of
  // layers with a window they keep what the first row of a sample sees.
  BlockTables prompt_blocks;
  // The recurrent state after prompt_computed tokens is copied to the samples, and moved to the
  // last one, whereupon the prompt counts as not computed: a state cannot go back to an earlier
  // token.
  int32_t prompt_recurrent = kNoState;
  int64_t prompt_computed = 0;
  bool first_tokens_drawn = false;
  // Goes out with the first sample that finishes; the prompt may be computed again after that.
  std::string prompt_routing;
  bool prompt_routing_given = false;

  int64_t prompt_length() const { return static_cast<int64_t>(request.prompt_ids.size()); }
  bool prompt_ready() const { return prompt_computed == prompt_length(); }
  int64_t Count(SequenceState state) const {
    int64_t count = 0;
    for (const Sequence& sample : samples) count += sample.state == state;
    return count;
  }
  // Of those that the prompt's blocks are for.
  int64_t CountForked(SequenceState state) const {
    int64_t count = 0;
    for (const Sequence& sample : samples) count += sample.state == state && !sample.apart;
    return count;
  }
};

}  // namespace cohort::rollout
