#pragma once

#include "policy/config/config.h"
#include "policy/weights/weight_source.h"
#include "rollout/decoder/decoder.h"

namespace cohort::rollout {

// A decoder over a CpuModelRunner, which packs its own copy of the weights, taken one by one.
// Errors: kUsage for a model or an option that it does not support, or a tensor that is missing or
// has another shape; kEnvironment when memory does not suffice.
Decoder MakeCpuDecoder(const policy::ModelConfig& config, policy::WeightSource& weights,
                       const DecoderOptions& options, int64_t policy_version);
Decoder MakeCpuDecoder(const policy::ModelConfig& config, policy::WeightMap weights,
                       const DecoderOptions& options, int64_t policy_version);

}  // namespace cohort::rollout
