#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "policy/config/config.h"
#include "policy/gguf/file.h"
#include "policy/tensor/dtype.h"
#include "policy/weights/weight_source.h"

namespace cohort::policy {

// The weights in a GGUF file, dequantised to fp32, then cast to `dtype`. Names and shapes are
// checked first: kUsage.
class GgufWeights final : public WeightSource {
 public:
  GgufWeights(GgufFile file, const ModelConfig& config, Dtype dtype);

  at::Tensor Take(const std::string& name) override;
  at::Tensor TakeExpert(const std::string& name, ExpertIndex expert) override;
  WeightMap TakeAll() override;

 private:
  at::Tensor Read(const GgufTensor& tensor) const;

  GgufFile file_;
  ModelConfig config_;
  bool reorders_rows_;
  at::ScalarType dtype_;
  // By the name of policy/weights/weights.h: one tensor, or two that are one here, by part
  // (policy/gguf/layouts.h).
  std::map<std::string, std::map<int, GgufTensor>> places_;
};

}  // namespace cohort::policy
