#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "policy/gguf/file.h"
#include "policy/model.h"
#include "policy/tokenizer/tokenizer_spec.h"
#include "policy/weights/weight_source.h"

namespace cohort::policy {

// A model from a GGUF file, of llama.cpp's architectures llama (Mixtral too), qwen2, qwen3,
// qwen3moe and deepseek2: config, tokenizer, chat template. kUsage naming what is damaged or not
// supported.
Model ReadGguf(const GgufFile& file);

// Its parts.
ModelConfig GgufConfig(const GgufFile& file);
TokenizerSpec GgufTokenizer(const GgufFile& file);

// Its weights, dequantised to fp32, then cast to `dtype`. Names and shapes are checked first.
class GgufWeights final : public WeightSource {
 public:
  GgufWeights(GgufFile file, const ModelConfig& config, at::ScalarType dtype);

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
