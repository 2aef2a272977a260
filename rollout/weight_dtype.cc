#include "rollout/weight_dtype.h"

namespace cohort::rollout {

WeightDtype KeptDtype(std::string_view name, int64_t dimensions, WeightDtype dtype) {
  const bool router = name.ends_with(".mlp.gate.weight");
  return dimensions < 2 || router ? WeightDtype::kFloat32 : dtype;
}

const char* SafetensorsName(WeightDtype dtype) {
  return dtype == WeightDtype::kFloat32 ? "F32" : "BF16";
}

}  // namespace cohort::rollout
