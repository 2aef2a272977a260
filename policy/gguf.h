#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>

#include "policy/gguf_file.h"
#include "policy/model.h"
#include "policy/tokenizer_spec.h"

namespace cohort::policy {

// A Llama model from a GGUF file: config, weights (dequantised to fp32, then cast to `dtype`; none
// when `with_weights` is false), tokenizer, chat template. kUsage naming what is damaged or not
// supported.
Model ReadGguf(const std::filesystem::path& path, at::ScalarType dtype, bool with_weights);

// Its parts.
ModelConfig GgufConfig(const GgufFile& file);
TokenizerSpec GgufTokenizer(const GgufFile& file);
WeightMap GgufWeights(const GgufFile& file, const ModelConfig& config, at::ScalarType dtype);

}  // namespace cohort::policy
