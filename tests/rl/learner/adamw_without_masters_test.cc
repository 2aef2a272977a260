// AdamW over bf16 parameters that have no fp32 masters (adamw_test.cc: those that have).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <bit>
#include <cmath>

#include "base/counter_random.h"
#include "base/error.h"
#include "rl/learner/adamw.h"

namespace cohort::rl {
namespace {

AdamWOptions WithoutMasters() {
  AdamWOptions options;
  options.bf16_moments = true;
  options.masters = false;
  options.max_grad_norm = 0;
  return options;
}

at::Tensor Bf16(const at::Tensor& values) {
  return values.to(at::kBFloat16).detach().clone().requires_grad_(true);
}

TEST(AdamWWithoutMasters, ParametersWithoutMastersHoldNothingInSinglePrecision) {
  const at::Tensor weight = Bf16(at::ones({3, 40}));
  AdamW optimizer({{"weight", weight}}, WithoutMasters());
  for (const auto& [name, tensor] : optimizer.State()) {
    EXPECT_EQ(tensor.scalar_type(), name == "step" ? at::kLong : at::kBFloat16) << name;
  }
  EXPECT_FALSE(optimizer.State().contains("master.weight"));
}

// The element's place is the counter; the step, and 1 in the key's upper half, are the key.
TEST(AdamWWithoutMasters, ParametersWithoutMastersAreRoundedByDrawsOfTheirOwn) {
  at::manual_seed(13);
  const at::Tensor weight = Bf16(at::randn({3, 40})), bias = Bf16(at::randn({50}));
  const at::Tensor before = bias.detach().to(at::kFloat), gradient = Bf16(at::randn({50})).detach();
  AdamW optimizer({{"weight", weight}, {"bias", bias}}, WithoutMasters());
  bias.mutable_grad() = gradient.clone();
  optimizer.AccumulateGradients();
  optimizer.Step(0.01);
  for (int64_t i = 0; i < 50; ++i) {
    const auto place = static_cast<uint32_t>(i + 128);  // 120 elements of the weight before it
    const uint32_t counter = place / 64 * 16 + place % 16;
    const uint32_t word = base::Philox4x32({counter, 0, 0, 0}, {1, 1})[place % 64 / 16];
    // After one step the update is g / (|g| + eps).
    const double g = gradient[i].item<double>();
    const double stepped = before[i].item<double>() - 0.01 * g / (std::abs(g) + 1e-8);
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(stepped));
    const uint32_t rounded = (bits + (word & 0xffff)) & 0xffff0000;
    if ((bits & 0xffff) + (word & 0xffff) - 0xfff0u < 0x20u) continue;  // by the last bits of fp32
    EXPECT_EQ(bias[i].item<float>(), std::bit_cast<float>(rounded)) << i;
  }
}

TEST(AdamWWithoutMasters, GradientsWithoutMastersAddUpBeyondWhatBf16Holds) {
  const at::Tensor weight = Bf16(at::ones({4096}));
  AdamW optimizer({{"weight", weight}}, WithoutMasters());
  for (int i = 0; i < 1000; ++i) {
    weight.mutable_grad() = at::ones({4096}, at::kBFloat16);
    optimizer.AccumulateGradients();
  }
  // Sums of 1000 whose deviation is about 41: a step up of 2, 4 or 8 is taken each 2nd to 8th time.
  EXPECT_NEAR(optimizer.Step(0.01).grad_norm, 64 * std::hypot(1000, 41), 64 * 3);
}

TEST(AdamWWithoutMasters, AStateWithoutMastersContinuesBitForBit) {
  at::manual_seed(14);
  const at::Tensor straight = Bf16(at::randn({3, 40})), resumed = Bf16(at::zeros({3, 40}));
  AdamW optimizer({{"weight", straight}}, WithoutMasters());
  AdamW second({{"weight", resumed}}, WithoutMasters());
  for (int step = 0; step < 8; ++step) {
    if (step == 4) {
      second.LoadState(optimizer.State());
      const at::NoGradGuard no_grad;
      resumed.copy_(straight);
    }
    for (int micro_batch = 0; micro_batch < 3; ++micro_batch) {
      const at::Tensor gradient = at::randn({3, 40}).to(at::kBFloat16);
      straight.mutable_grad() = gradient.clone();
      optimizer.AccumulateGradients();
      if (step < 4) continue;
      resumed.mutable_grad() = gradient.clone();
      second.AccumulateGradients();
    }
    optimizer.Step(0.01);
    if (step >= 4) second.Step(0.01);
  }
  EXPECT_TRUE(resumed.equal(straight));
}

// A noisy bowl, whose bottom is 0: both end near it alike.
TEST(AdamWWithoutMasters, WithoutMastersItLearnsAsWell) {
  std::vector<double> ends;
  for (const bool masters : {true, false}) {
    at::manual_seed(11);
    const at::Tensor weight =
        masters ? at::full({1000}, 3.0).requires_grad_(true) : Bf16(at::full({1000}, 3.0));
    AdamW optimizer({{"weight", weight}}, masters ? AdamWOptions{} : WithoutMasters());
    for (int step = 0; step < 600; ++step) {
      const at::Tensor gradient = weight.detach() + at::randn({1000});
      weight.mutable_grad() = gradient.to(weight.scalar_type());
      optimizer.AccumulateGradients();
      optimizer.Step(0.01);
    }
    ends.push_back(weight.detach().to(at::kFloat).square().mean().item<double>());
  }
  EXPECT_LT(ends[0], 0.05);
  EXPECT_NEAR(ends[1] / ends[0], 1, 0.1);
}

TEST(AdamWWithoutMasters, AGradientWithoutMasterThatIsNotFiniteSkipsTheStep) {
  const at::Tensor weight = Bf16(at::ones({20}));
  AdamW optimizer({{"weight", weight}}, WithoutMasters());
  weight.mutable_grad() = at::full({20}, std::nan(""), at::kBFloat16);
  optimizer.AccumulateGradients();
  weight.mutable_grad() = at::ones({20}, at::kBFloat16);
  optimizer.AccumulateGradients();
  EXPECT_THAT(optimizer.Step(0.1).skipped, testing::HasSubstr("gradient of weight is not finite"));
  EXPECT_TRUE(weight.detach().equal(at::ones({20}, at::kBFloat16)));
}

TEST(AdamWWithoutMasters, ParametersWithoutMastersAreRefusedWhereNothingRoundsThem) {
  AdamWOptions options;
  options.masters = false;
  const at::Tensor elsewhere = at::empty({2}, at::TensorOptions(at::kMeta).dtype(at::kBFloat16));
  try {
    AdamW({{"w", elsewhere}}, options);
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "parameters without masters need a CPU, the policy is on meta");
  }
}

}  // namespace
}  // namespace cohort::rl
