#include "rollout/cpu/cpu_decoder.h"

#include <memory>
#include <utility>

#include "rollout/cpu/cpu_model_runner.h"

namespace cohort::rollout {

Decoder MakeCpuDecoder(const policy::ModelConfig& config, policy::WeightSource& weights,
                       const DecoderOptions& options, int64_t policy_version) {
  auto runner = std::make_unique<CpuModelRunner>(config, options);
  runner->LoadWeights(weights);
  return Decoder(std::move(runner), options, policy_version);
}

Decoder MakeCpuDecoder(const policy::ModelConfig& config, policy::WeightMap weights,
                       const DecoderOptions& options, int64_t policy_version) {
  policy::WeightsInMemory source(std::move(weights));
  return MakeCpuDecoder(config, source, options, policy_version);
}

}  // namespace cohort::rollout
