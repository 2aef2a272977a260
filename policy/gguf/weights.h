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
  struct Place {
    std::vector<GgufTensor> parts;  // one, or two that are one here
    int64_t rotated_heads = 0;      // of queries and keys, whose rows llama.cpp orders its own way
  };

  at::Tensor Read(const GgufTensor& tensor) const;

  GgufFile file_;
  at::ScalarType dtype_;
  std::map<std::string, Place> places_;  // by the name of policy/weights/weights.h
};

}  // namespace cohort::policy
