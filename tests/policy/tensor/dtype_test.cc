#include "policy/tensor/dtype.h"

#include <gtest/gtest.h>

namespace cohort::policy {
namespace {

// Names and sizes of the safetensors crate 0.6 (tensor.rs, `enum Dtype`), those of whole bytes.
TEST(Dtype, HasTheNameAndTheSizeOfSafetensors) {
  const std::map<std::string, int64_t> bytes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},     {"U32", 4},
      {"F32", 4},  {"F64", 8}, {"I64", 8}, {"U64", 8}};
  for (const auto& [name, size] : bytes) {
    const std::optional<Dtype> dtype = DtypeOfSafetensors(name);
    ASSERT_TRUE(dtype.has_value()) << name;
    EXPECT_EQ(BytesPerElement(*dtype), size) << name;
    EXPECT_EQ(SafetensorsName(*dtype), name);
    EXPECT_EQ(DtypeOfTorch(TorchDtype(*dtype)), *dtype) << name;
  }
  EXPECT_FALSE(DtypeOfSafetensors("F3").has_value());
  EXPECT_FALSE(DtypeOfSafetensors("float32").has_value());
}

TEST(Dtype, IsOfferedByTheNamesThatPeopleWrite) {
  using enum Dtype;
  const std::map<std::string, Dtype> expected = {
      {"float32", kFloat32}, {"float16", kFloat16}, {"bfloat16", kBFloat16}, {"fp8", kFloat8E4m3}};
  EXPECT_EQ(DtypesByName({kFloat32, kBFloat16, kFloat16, kFloat8E4m3}), expected);
  EXPECT_EQ(TorchDtype(kBFloat16), at::kBFloat16);
  EXPECT_EQ(TorchDtype(kFloat8E4m3), at::kFloat8_e4m3fn);
}

}  // namespace
}  // namespace cohort::policy
