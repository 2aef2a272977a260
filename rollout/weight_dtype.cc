#include "rollout/weight_dtype.h"

namespace cohort::rollout {

std::map<std::string, policy::Dtype> WorkerDtypes() {
  return policy::DtypesByName({policy::Dtype::kFloat32, policy::Dtype::kBFloat16});
}

policy::Dtype KeptDtype(std::string_view name, int64_t dimensions, policy::Dtype dtype) {
  const bool router = name.ends_with(".mlp.gate.weight");
  return dimensions < 2 || router ? policy::Dtype::kFloat32 : dtype;
}

}  // namespace cohort::rollout
