#include "policy/weights/weight_source.h"

namespace cohort::policy {

at::Tensor WeightsInMemory::Take(const std::string& name) {
  const auto found = weights_.find(name);
  return found == weights_.end() ? at::Tensor() : weights_.extract(found).mapped();
}

at::Tensor WeightsInMemory::TakeExpert(const std::string& name, ExpertIndex expert) {
  const auto found = weights_.find(name);
  if (found == weights_.end() || found->second.dim() < 1 || found->second.size(0) != expert.count) {
    return {};
  }
  const at::Tensor slice = found->second[expert.index];
  if (expert.index == expert.count - 1) weights_.erase(found);
  return slice;
}

}  // namespace cohort::policy
