#include "rollout/weight_dtype.h"

namespace cohort::rollout {

std::map<std::string, policy::Dtype> WorkerDtypes() {
  return policy::DtypesByName({policy::Dtype::kFloat32, policy::Dtype::kBFloat16});
}

policy::Dtype KeptDtype(std::string_view name, int64_t dimensions, policy::Dtype dtype) {
  const bool gate =
      name.ends_with(".mlp.gate.weight") || name.ends_with(".mlp.shared_expert_gate.weight");
  const bool experts_bias = name.ends_with("_bias");
  const bool convolution = name.ends_with(".linear_attn.conv1d.weight");
  return dimensions < 2 || gate || convolution || experts_bias ? policy::Dtype::kFloat32 : dtype;
}

}  // namespace cohort::rollout
