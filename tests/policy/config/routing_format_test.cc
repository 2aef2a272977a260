#include "policy/config/routing_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace cohort::policy {
namespace {

using testing::HasSubstr;

std::string Written(const RoutingFormat& format, const std::vector<int32_t>& experts) {
  std::string bytes(experts.size() * static_cast<size_t>(format.number_bytes()), '\0');
  auto* to = reinterpret_cast<uint8_t*>(bytes.data());
  for (size_t i = 0; i < experts.size(); i += static_cast<size_t>(format.experts_per_token)) {
    format.Write(experts.data() + i, to);
    to += format.layer_bytes();
  }
  return bytes;
}

TEST(RoutingFormat, TakesAByteANumberUpToTwoHundredAndFiftySixExperts) {
  const RoutingFormat small{.moe_layers = 58, .experts_per_token = 8, .num_experts = 256};
  EXPECT_EQ(small.token_bytes(), 464);  // DeepSeek-V3
  EXPECT_EQ(Written({1, 2, 256}, {255, 3}), std::string("\xFF\x03", 2));
  EXPECT_EQ((RoutingFormat{48, 8, 512}.token_bytes()), 768);  // Qwen3-Next
  EXPECT_EQ(Written({1, 2, 257}, {256, 3}), std::string("\x00\x01\x03\x00", 4));
}

TEST(RoutingFormat, ReadsWhatItWrote) {
  for (const int64_t experts : {256, 4096}) {
    const RoutingFormat format{2, 2, experts};
    const std::vector<int32_t> picked = {0, 255, 7, static_cast<int32_t>(experts) - 1};
    const std::string bytes = Written(format, picked);
    ASSERT_EQ(format.FaultOf(bytes, 1), "");
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(format.Read(reinterpret_cast<const uint8_t*>(bytes.data()), i),
                picked[static_cast<size_t>(i)]);
    }
  }
}

TEST(RoutingFormat, SaysWhyBytesCannotBeARouting) {
  const RoutingFormat format{1, 2, 4};
  EXPECT_EQ(format.FaultOf("", 0), "");
  EXPECT_THAT(format.FaultOf(std::string("\0\1\2", 3), 2), HasSubstr("3 bytes, where 2 tokens"));
  EXPECT_THAT(format.FaultOf(std::string("\0\1\2\4", 4), 2), HasSubstr("token 1 to expert 4 of 4"));
  EXPECT_THAT(format.FaultOf(std::string("\0\1\3\3", 4), 2),
              HasSubstr("token 1 to expert 3 twice"));
}

TEST(RoutingFormat, CountsTheLayersThatRoute) {
  ModelConfig config;
  config.num_layers = 3;
  EXPECT_EQ(RoutingFormatOf(config).token_bytes(), 0);
  config.moe.num_experts = 8;
  config.moe.experts_per_token = 2;
  config.moe.first_dense_layers = 1;
  EXPECT_EQ(RoutingFormatOf(config).moe_layers, 2);
  EXPECT_EQ(RoutingFormatOf(config).token_bytes(), 4);
}

}  // namespace
}  // namespace cohort::policy
