#include "policy/gguf/dequantize.h"

#include <ATen/Parallel.h>
#include <c10/util/Half.h>

#include <bit>
#include <cstring>

#include "base/error.h"

namespace cohort::policy {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is little-endian");

template <typename T>
T Load(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

float LoadHalf(const uint8_t* bytes) {
  return static_cast<float>(c10::Half(Load<uint16_t>(bytes), c10::Half::from_bits()));
}

float LoadBfloat16(const uint8_t* bytes) {
  return std::bit_cast<float>(static_cast<uint32_t>(Load<uint16_t>(bytes)) << 16);
}

// 32 elements in 18 bytes: fp16 scale d, 16 bytes of nibbles q; x = d * (q - 8).
// Element i is the low nibble of byte i, element 16 + i the high one.
void DequantizeQ4_0(const uint8_t* block, float* out) {
  const float scale = LoadHalf(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = scale * static_cast<float>((block[2 + i] & 0x0F) - 8);
    out[16 + i] = scale * static_cast<float>((block[2 + i] >> 4) - 8);
  }
}

// 32 elements in 20 bytes: fp16 scale d, fp16 minimum m, nibbles as above; x = d * q + m.
void DequantizeQ4_1(const uint8_t* block, float* out) {
  const float scale = LoadHalf(block), minimum = LoadHalf(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = scale * static_cast<float>(block[4 + i] & 0x0F) + minimum;
    out[16 + i] = scale * static_cast<float>(block[4 + i] >> 4) + minimum;
  }
}

// 32 elements in 34 bytes: fp16 scale d, 32 signed bytes q; x = d * q.
void DequantizeQ8_0(const uint8_t* block, float* out) {
  const float scale = LoadHalf(block);
  for (int i = 0; i < 32; ++i) {
    out[i] = scale * static_cast<float>(static_cast<int8_t>(block[2 + i]));
  }
}

// 32 elements in 17 bytes: an exponent, nibbles as above of e2m1 numbers (OCP Microscaling Formats
// 1.0). The numbers are doubled and the scale, 2^(exponent - 127), halved, so that the least one is
// no power below fp32's.
void DequantizeMxfp4(const uint8_t* block, float* out) {
  constexpr float kTwice[] = {0.0F, 1.0F,  2.0F,  3.0F,  4.0F,  6.0F,  8.0F,  12.0F,
                              0.0F, -1.0F, -2.0F, -3.0F, -4.0F, -6.0F, -8.0F, -12.0F};
  const uint32_t exponent = block[0];
  const float half_scale =
      std::bit_cast<float>(exponent < 2 ? uint32_t{0x00200000} << exponent : (exponent - 1) << 23);
  for (int i = 0; i < 16; ++i) {
    out[i] = half_scale * kTwice[block[1 + i] & 0x0F];
    out[16 + i] = half_scale * kTwice[block[1 + i] >> 4];
  }
}

void DequantizeBlock(GgufType type, const uint8_t* block, float* out) {
  switch (type) {
    case GgufType::kF32:
      *out = Load<float>(block);
      return;
    case GgufType::kF16:
      *out = LoadHalf(block);
      return;
    case GgufType::kBF16:
      *out = LoadBfloat16(block);
      return;
    case GgufType::kQ4_0:
      return DequantizeQ4_0(block, out);
    case GgufType::kQ4_1:
      return DequantizeQ4_1(block, out);
    case GgufType::kQ8_0:
      return DequantizeQ8_0(block, out);
    case GgufType::kMxfp4:
      return DequantizeMxfp4(block, out);
  }
}

}  // namespace

std::optional<GgufBlock> BlockOf(uint32_t type) {
  switch (static_cast<GgufType>(type)) {
    case GgufType::kF32:
      return GgufBlock{1, 4};
    case GgufType::kF16:
    case GgufType::kBF16:
      return GgufBlock{1, 2};
    case GgufType::kQ4_0:
      return GgufBlock{32, 18};
    case GgufType::kQ4_1:
      return GgufBlock{32, 20};
    case GgufType::kQ8_0:
      return GgufBlock{32, 34};
    case GgufType::kMxfp4:
      return GgufBlock{32, 17};
  }
  return std::nullopt;
}

std::string GgufTypeName(uint32_t type) {
  static const char* const kNames[] = {
      "F32",     "F16",    "Q4_0",    "Q4_1",  "Q4_2",   "Q4_3",  "Q5_0",  "Q5_1",
      "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
      "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
      "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16"};
  if (type < std::size(kNames)) return kNames[type];
  if (type == 34) return "TQ1_0";
  if (type == 35) return "TQ2_0";
  if (type == 39) return "MXFP4";
  if (type == 40) return "NVFP4";
  return "type " + std::to_string(type);
}

void Dequantize(GgufType type, std::span<const uint8_t> blocks, std::span<float> out) {
  const GgufBlock block = BlockOf(static_cast<uint32_t>(type)).value();
  const int64_t count = static_cast<int64_t>(blocks.size()) / block.bytes;
  COHORT_CHECK(count * block.bytes == static_cast<int64_t>(blocks.size()) &&
                   count * block.elements == static_cast<int64_t>(out.size()),
               "Dequantize takes whole blocks");
  at::parallel_for(0, count, /*grain_size=*/16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      DequantizeBlock(type, blocks.data() + i * block.bytes, out.data() + i * block.elements);
    }
  });
}

}  // namespace cohort::policy
