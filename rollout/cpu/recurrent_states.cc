#include "rollout/cpu/recurrent_states.h"

#include <algorithm>
#include <new>
#include <string>

#include "base/error.h"
#include "policy/config/linear_attention.h"

namespace cohort::rollout {

namespace {

int64_t LayerFloats(const policy::LinearAttentionConfig& linear) {
  return DeltaShapeOf(linear).state_floats() +
         (linear.conv_width - 1) * policy::ConvChannels(linear);
}

int64_t SlotFloats(const policy::LinearAttentionConfig& linear) {
  return std::ssize(linear.layers) * LayerFloats(linear);
}

}  // namespace

kernels::DeltaRuleShape DeltaShapeOf(const policy::LinearAttentionConfig& linear) {
  return {linear.num_key_heads, linear.num_value_heads, linear.key_dim, linear.value_dim};
}

int64_t RecurrentStateBytes(const policy::ModelConfig& config) {
  return SlotFloats(config.linear) * int64_t{sizeof(float)};
}

RecurrentStates::RecurrentStates(const policy::ModelConfig& config, int64_t slots)
    : linear_(config.linear),
      slots_(slots),
      rule_floats_(DeltaShapeOf(linear_).state_floats()),
      layer_floats_(LayerFloats(linear_)),
      slot_floats_(SlotFloats(linear_)) {
  if (slots == 0) return;
  const int64_t bytes = slots * RecurrentStateBytes(config);
  try {
    buffer_ = kernels::HugeBuffer(static_cast<size_t>(bytes));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kEnvironment,
                "no memory for the recurrent states of " + std::to_string(slots) + " sequences (" +
                    std::to_string(bytes >> 20) + " MiB)",
                "lower rollout.kv_cache_mb");
  }
}

void RecurrentStates::Clear(int32_t slot) {
  std::fill_n(buffer_.floats() + slot * slot_floats_, slot_floats_, 0.0f);
}

void RecurrentStates::Copy(int32_t from, int32_t to) {
  std::copy_n(buffer_.floats() + from * slot_floats_, slot_floats_,
              buffer_.floats() + to * slot_floats_);
}

float* RecurrentStates::Rule(int64_t index, int32_t slot) {
  const auto& layers = linear_.layers;
  const auto at = std::lower_bound(layers.begin(), layers.end(), index) - layers.begin();
  return buffer_.floats() + slot * slot_floats_ + at * layer_floats_;
}

}  // namespace cohort::rollout
