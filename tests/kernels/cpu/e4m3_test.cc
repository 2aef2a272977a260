// tests/golden/kernels/README.md

#include "kernels/cpu/e4m3.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/cpu/ops.h"

namespace cohort::kernels {
namespace {

std::vector<std::pair<uint32_t, uint32_t>> Golden(const char* name) {
  std::ifstream file(std::string(COHORT_GOLDEN_DIR) + "/kernels/" + name);
  std::vector<std::pair<uint32_t, uint32_t>> lines;
  uint32_t left, right;
  while (file >> std::hex >> left >> right) lines.emplace_back(left, right);
  return lines;
}

// As the products read it.
float Quantized(const Ops& ops, float x, float scale = 1) {
  uint16_t half = 0;
  ops.quantize_e4m3(&x, scale, 1, &half);
  return std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

TEST(E4m3, EveryCodeIsTheNumberOfPyTorchAndBecomesTheCodeAgain) {
  const auto golden = Golden("e4m3_codes.txt");
  ASSERT_EQ(golden.size(), 256u);
  for (const auto& [code, bits] : golden) {
    const float number = DecodeE4m3(static_cast<uint8_t>(code)),
                expected = std::bit_cast<float>(bits);
    EXPECT_EQ(EncodeE4m3(number), code);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(number)) << code;
      continue;
    }
    EXPECT_EQ(std::bit_cast<uint32_t>(number), bits) << code;
    for (const Isa isa : AvailableIsas()) {
      EXPECT_EQ(Quantized(OpsFor(isa), number), number) << IsaName(isa);
      EXPECT_EQ(Quantized(OpsFor(isa), number * 0.25f, 0.25f), number) << IsaName(isa);
    }
  }
}

TEST(E4m3, AroundEveryMidpointRoundsAsPyTorch) {
  const auto golden = Golden("e4m3_rounding.txt");
  ASSERT_EQ(golden.size(), 1010u);
  for (const auto& [bits, code] : golden) {
    const float x = std::bit_cast<float>(bits);
    EXPECT_EQ(EncodeE4m3(x), code) << x;
    const float number = DecodeE4m3(static_cast<uint8_t>(code));
    for (const Isa isa : AvailableIsas()) {
      EXPECT_EQ(Quantized(OpsFor(isa), x), number) << x << ", " << IsaName(isa);
    }
  }
}

TEST(E4m3, InRowsIsWhatItIsAlone) {
  constexpr uint32_t kLow[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
  std::vector<float> x;
  for (uint32_t high = 0; high < 1u << 16; ++high) {
    for (const uint32_t low : kLow) x.push_back(std::bit_cast<float>(high << 16 | low));
  }
  x.pop_back();  // a row with a short tail
  std::vector<uint16_t> halves(x.size());
  for (const Isa isa : AvailableIsas()) {
    OpsFor(isa).quantize_e4m3(x.data(), 1, std::ssize(x), halves.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const float found = std::bit_cast<float>(static_cast<uint32_t>(halves[i]) << 16);
      const float expected = DecodeE4m3(EncodeE4m3(x[i]));
      ASSERT_TRUE(found == expected || (std::isnan(found) && std::isnan(expected)))
          << x[i] << ", " << IsaName(isa);
    }
  }
}

TEST(E4m3, BeyondTheLargestItStaysThereAndNoNumberStaysNone) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float x : {448.0f, 449.0f, 464.0f, 479.9f, 480.0f, 1e30f, infinity}) {
    EXPECT_EQ(EncodeE4m3(x), 0x7e) << x;
    EXPECT_EQ(EncodeE4m3(-x), 0xfe) << x;
    for (const Isa isa : AvailableIsas()) EXPECT_EQ(Quantized(OpsFor(isa), -x), -448);
  }
  EXPECT_EQ(EncodeE4m3(NAN) & 0x7f, 0x7f);
  for (const Isa isa : AvailableIsas()) EXPECT_TRUE(std::isnan(Quantized(OpsFor(isa), NAN)));
}

TEST(E4m3, AScaleBringsTheLargestTo448AndIsAPowerOfTwoWhereAskedFor) {
  EXPECT_EQ(E4m3Scale(896, 1e-4f, Fp8ScaleFormat::kFloat32), 2);
  EXPECT_EQ(E4m3Scale(3, 1e-4f, Fp8ScaleFormat::kFloat32), 3.0f / 448);
  EXPECT_EQ(E4m3Scale(1e-7f, 1e-4f, Fp8ScaleFormat::kFloat32), 1e-4f / 448);
  EXPECT_EQ(E4m3Scale(448, 0, Fp8ScaleFormat::kUe8m0), 1);
  EXPECT_EQ(E4m3Scale(449, 0, Fp8ScaleFormat::kUe8m0), 2);
  EXPECT_EQ(E4m3Scale(447, 0, Fp8ScaleFormat::kUe8m0), 1);
  EXPECT_EQ(E4m3Scale(1e-7f, 1e-4f, Fp8ScaleFormat::kUe8m0), 0x1p-22f);  // 1e-4 / 448 = 2^-22.09
}

TEST(E4m3, TheLargestMagnitudeIsOfEitherSignAndLeavesOutWhatIsNoNumber) {
  std::vector<float> x(45, 0.5f);
  for (const Isa isa : AvailableIsas()) {
    for (size_t at = 0; at < x.size(); ++at) {
      std::vector<float> row = x;
      row[at] = -3;
      row[(at + 7) % row.size()] = NAN;
      EXPECT_EQ(OpsFor(isa).largest_magnitude(row.data(), std::ssize(row)), 3) << IsaName(isa);
    }
    EXPECT_EQ(OpsFor(isa).largest_magnitude(x.data(), 0), 0);
  }
}

}  // namespace
}  // namespace cohort::kernels
