#pragma once

// The quantization_config of config.json: FP8 weights in blocks, as DeepSeek-V3 and Qwen3 publish
// them, or experts in MXFP4, as gpt-oss has them. It says how the tensors are stored, nothing about
// the model: policy/weights/fp8_blocks.h, policy/weights/mxfp4_blocks.h.

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/family.h"
#include "policy/config/fields.h"

namespace cohort::policy {

constexpr int64_t kFp8Block = 128;  // rows and columns that share one scale

// Refuses by name (kUsage) whatever is neither absent nor, in a family with interleaved experts,
// "mxfp4", and in the others e4m3 in blocks of 128 x 128 with dynamic activation scales, whose
// `scale_fmt` may be "ue8m0": scales that are powers of two.
void CheckQuantizationConfig(const ConfigFields& fields, const ModelFamily& family);

// False for families whose experts have no published form in FP8.
bool HasFp8Form(const ModelConfig& config);
// kUsage naming the family where there is no such form.
void CheckFp8Form(const ModelConfig& config);

// The quantization_config of DeepSeek-V3, with the modules that stay in bfloat16.
nlohmann::json Fp8QuantizationConfig(const ModelConfig& config);

}  // namespace cohort::policy
