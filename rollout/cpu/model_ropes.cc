#include "rollout/cpu/model_ropes.h"

namespace cohort::rollout {

ModelRopes::ModelRopes(const policy::ModelConfig& config)
    : ModelRopes(policy::ComputeRopeFrequencies(config.rope, config.attention.rotary_dim()),
                 config) {}

ModelRopes::ModelRopes(const policy::RopeFrequencies& frequencies,
                       const policy::ModelConfig& config)
    : full_(frequencies), boundary_(frequencies.long_beyond) {
  if (config.windowed_rope) {
    windowed_.emplace(
        policy::ComputeRopeFrequencies(*config.windowed_rope, config.attention.rotary_dim()));
  }
  if (boundary_ == 0) return;
  policy::RopeFrequencies beyond = frequencies;
  beyond.inverse = frequencies.long_inverse;
  long_.emplace(std::move(beyond));
}

void ModelRopes::Reserve(int64_t positions) {
  full_.Reserve(positions);
  if (windowed_) windowed_->Reserve(positions);
  if (long_) long_->Reserve(positions);
}

}  // namespace cohort::rollout
