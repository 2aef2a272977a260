#pragma once

// Number formats of tensors and how people and files spell them.

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace cohort::policy {

// Every format that a safetensors file may hold.
enum class Dtype {
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat8E4m3,  // as weights: with a scale for each block (policy/weights/fp8_blocks.h)
  kFloat8E8m0,  // powers of two: such scales
  kFloat8E5m2,
  kFloat64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kBool,
};

// Recipes, command lines and messages: "float32", "bfloat16", "float16", "fp8" (e4m3), ...
std::string_view NameOf(Dtype dtype);
// Some formats by their names, as a command line offers them.
std::map<std::string, Dtype> DtypesByName(std::initializer_list<Dtype> dtypes);

// safetensors and weight manifests: "F32", "BF16", "F8_E4M3", ... nullopt for another text.
std::string_view SafetensorsName(Dtype dtype);
std::optional<Dtype> DtypeOfSafetensors(std::string_view name);

// LibTorch's. A format that is in no safetensors file is a broken invariant.
at::ScalarType TorchDtype(Dtype dtype);
Dtype DtypeOfTorch(at::ScalarType dtype);

int64_t BytesPerElement(Dtype dtype);

}  // namespace cohort::policy
