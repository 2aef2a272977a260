#pragma once

// Which slots of the recurrent states are in use (of models whose layers keep a state of each
// sequence beside the KV cache). Only the accounting: the memory belongs to the ModelRunner, which
// starts a sequence from zero at position 0 and is told what to copy.
//
// A quarter of the slots is for prompts, which hold one until the last of their samples has forked;
// the others are for samples. So neither can starve the other.

#include <cstdint>
#include <vector>

#include "rollout/decoder/model_runner.h"

namespace cohort::rollout {

// Single-threaded. Without slots, where the model has no such layers, every state is kNoState and
// nothing is ever copied.
class StatePool {
 public:
  explicit StatePool(int64_t num_slots);

  bool has_states() const { return num_slots_ > 0; }
  int64_t prompts() const { return num_slots_ > 3 ? num_slots_ / 4 : 1; }
  int64_t samples() const { return num_slots_ - prompts(); }
  bool has_room_for_prompt() const { return !has_states() || held_by_prompts_ < prompts(); }

  // For a prompt; there is room for it.
  int32_t TakeForPrompt();
  void ReleasePrompt(int32_t* slot);
  // A copy of the prompt's for a sample; fewer than samples() hold one.
  int32_t Copy(int32_t prompt);
  // The prompt's itself, which becomes kNoState.
  int32_t Move(int32_t* prompt);
  void ReleaseSample(int32_t* slot);

  // Copies that were asked for since the last call, in the order in which they must be done.
  std::vector<BlockCopy> TakeCopies();

 private:
  int32_t Take();

  int64_t num_slots_;
  int64_t held_by_prompts_ = 0;
  std::vector<int32_t> free_;
  std::vector<BlockCopy> copies_;
};

}  // namespace cohort::rollout
