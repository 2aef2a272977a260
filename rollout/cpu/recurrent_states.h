#pragma once

// The memory of the recurrent states: what the gated delta nets keep of a sequence beside the KV
// cache, however long it is. A slot holds one sequence's, of all layers: for each the rule's state
// (kernels/cpu/delta_rule.h) and the last rows before the convolution. Who uses which slot is the
// business of the decoder's StatePool.

#include <cstdint>

#include "kernels/cpu/delta_rule.h"
#include "kernels/cpu/huge_buffer.h"
#include "policy/config/config.h"

namespace cohort::rollout {

kernels::DeltaRuleShape DeltaShapeOf(const policy::LinearAttentionConfig& linear);

// Bytes of one sequence; 0 where the model has no such layer.
int64_t RecurrentStateBytes(const policy::ModelConfig& config);

// Different slots may be written in parallel.
class RecurrentStates {
 public:
  // kEnvironment when memory does not suffice.
  RecurrentStates(const policy::ModelConfig& config, int64_t slots);

  int64_t num_slots() const { return slots_; }
  void Clear(int32_t slot);
  void Copy(int32_t from, int32_t to);

  // Of layer `index` of the model, which is a gated delta net.
  float* Rule(int64_t index, int32_t slot);
  // [conv_width - 1, channels], the oldest row first.
  float* Window(int64_t index, int32_t slot) { return Rule(index, slot) + rule_floats_; }

 private:
  const policy::LinearAttentionConfig linear_;
  int64_t slots_;
  int64_t rule_floats_, layer_floats_, slot_floats_;
  kernels::HugeBuffer buffer_;
};

}  // namespace cohort::rollout
