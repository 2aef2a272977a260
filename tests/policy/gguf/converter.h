#pragma once

// llama.cpp's converter (conversion/*.py), on the drawn weights of tests/policy/family_golden.h,
// and what it wrote for the same ones (tests/golden/policy/gguf).

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/durable_file.h"
#include "policy/config/config.h"
#include "policy/weights/weights.h"
#include "tests/policy/family_golden.h"
#include "tests/policy/gguf/bytes.h"

namespace cohort::policy {

struct ConvertedTensor {
  std::string name;
  at::Tensor values;      // fp32; of MXFP4 its bytes
  at::Tensor shape_only;  // of MXFP4, the shape of its values; undefined otherwise
};

struct GgufGolden {
  nlohmann::json expected;
  ModelConfig config;
  WeightMap weights;
  std::vector<ConvertedTensor> tensors;  // of the names in `expected`, by the converter's rules

  GgufBytes Metadata() const;
};

GgufGolden ReadGgufGolden(const std::string& name);

// The bytes of a file.
std::string GgufFileOf(const GgufBytes& metadata, const std::vector<ConvertedTensor>& tensors);

}  // namespace cohort::policy
