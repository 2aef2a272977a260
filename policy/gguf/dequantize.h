#pragma once

// Tensor formats of GGUF (github.com/ggml-org/ggml, ggml-common.h) that cohort reads.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace cohort::policy {

enum class GgufType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ8_0 = 8,
  kBF16 = 30,
  kMxfp4 = 39
};

struct GgufBlock {
  int64_t elements;
  int64_t bytes;
};

// nullopt for a format that cohort does not read.
std::optional<GgufBlock> BlockOf(uint32_t type);

// "Q4_K" and the like, for messages.
std::string GgufTypeName(uint32_t type);

// fp32 values of whole blocks; bit for bit those of the `gguf` Python package.
// blocks.size() / block bytes * block elements == out.size().
void Dequantize(GgufType type, std::span<const uint8_t> blocks, std::span<float> out);

}  // namespace cohort::policy
