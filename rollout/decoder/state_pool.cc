#include "rollout/decoder/state_pool.h"

#include <utility>

#include "base/error.h"

namespace cohort::rollout {

StatePool::StatePool(int64_t num_slots) : num_slots_(num_slots) {
  COHORT_CHECK(num_slots == 0 || num_slots >= 2, "a prompt and a sample have a state each");
  for (int64_t slot = num_slots - 1; slot >= 0; --slot) {
    free_.push_back(static_cast<int32_t>(slot));
  }
}

int32_t StatePool::Take() {
  COHORT_CHECK(!free_.empty(), "no more sequences hold a state than there are");
  const int32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

int32_t StatePool::TakeForPrompt() {
  if (!has_states()) return kNoState;
  ++held_by_prompts_;
  return Take();
}

void StatePool::ReleasePrompt(int32_t* slot) {
  if (*slot == kNoState) return;
  --held_by_prompts_;
  ReleaseSample(slot);
}

int32_t StatePool::Copy(int32_t prompt) {
  if (!has_states()) return kNoState;
  const int32_t slot = Take();
  copies_.push_back({prompt, slot});
  return slot;
}

int32_t StatePool::Move(int32_t* prompt) {
  if (*prompt != kNoState) --held_by_prompts_;
  return std::exchange(*prompt, kNoState);
}

void StatePool::ReleaseSample(int32_t* slot) {
  if (*slot != kNoState) free_.push_back(*slot);
  *slot = kNoState;
}

std::vector<BlockCopy> StatePool::TakeCopies() { return std::exchange(copies_, {}); }

}  // namespace cohort::rollout
