#include "policy/config/rope_frequencies.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cohort::policy {
namespace {

// The published config.json of DeepSeek-V3 (rope_scaling of type yarn, 64 rotated channels).
RopeConfig DeepSeekV3Rope() {
  RopeConfig rope;
  rope.kind = RopeKind::kYarn;
  rope.interleaved = true;
  rope.factor = 40;
  rope.original_max_positions = 4096;
  rope.mscale = 1;
  rope.mscale_all_dim = 1;
  return rope;
}

// By arXiv 2309.00071 the ramp goes from floor(10.47) = 10 to ceil(22.51) = 23.
TEST(RopeFrequencies, LeaveTheFastPairsOfDeepSeekV3AloneAndDivideTheSlowOnes) {
  const RopeFrequencies found = ComputeRopeFrequencies(DeepSeekV3Rope(), 64);
  ASSERT_EQ(found.inverse.size(), 32u);
  for (int i = 0; i < 32; ++i) {
    const double plain = std::pow(10000.0, -2.0 * i / 64);
    const double ramp = std::min(std::max((i - 10) / 13.0, 0.0), 1.0);
    const double expected = plain * (1 - ramp) + plain / 40 * ramp;
    EXPECT_NEAR(found.inverse[static_cast<size_t>(i)], expected, 1e-6 * expected) << i;
  }
  EXPECT_EQ(found.attention_factor, 1.0);
}

// transformers' _compute_linear_scaling_rope_parameters: positions are divided by the factor.
TEST(RopeFrequencies, AreDividedByTheFactorOfLinearScaling) {
  RopeConfig rope;
  rope.kind = RopeKind::kLinear;
  rope.factor = 4;
  rope.base = 100000;
  const RopeFrequencies found = ComputeRopeFrequencies(rope, 8);
  for (int i = 0; i < 4; ++i) {
    const double expected = std::pow(100000.0, -2.0 * i / 8) / 4;
    EXPECT_NEAR(found.inverse[static_cast<size_t>(i)], expected, 1e-6 * expected) << i;
  }
  EXPECT_EQ(found.attention_factor, 1.0);
}

// mscale = 0.1 ln(40) + 1 = 1.36889; 192^-1/2 * mscale^2 = 0.135234.
TEST(AttentionScale, OfDeepSeekV3HasYarnsMscaleSquared) {
  AttentionConfig attention;
  attention.kind = AttentionKind::kLatent;
  attention.qk_nope_head_dim = 128;
  attention.qk_rope_head_dim = 64;
  EXPECT_NEAR(AttentionScale(attention, DeepSeekV3Rope()), 0.135234, 1e-6);
}

TEST(AttentionScale, OfGroupedQueriesIsUntouchedByYarn) {
  AttentionConfig attention;
  attention.head_dim = 64;
  EXPECT_EQ(AttentionScale(attention, DeepSeekV3Rope()), 0.125);
}

}  // namespace
}  // namespace cohort::policy
