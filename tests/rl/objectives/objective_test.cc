#include "rl/objectives/objective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cohort::rl {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string UsageErrorOf(const json& objective) {
  try {
    ParseObjective(objective);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what();
  }
  return "no error";
}

TEST(Objective, APresetCanBeOverriddenKnobByKnob) {
  const Objective objective = ParseObjective(
      {{"preset", "dapo"}, {"clip_low", 0.1}, {"advantage", "rloo"}, {"std_ddof", 0}});
  EXPECT_EQ(objective.preset, "dapo");
  EXPECT_EQ(objective.clip_low, 0.1);
  EXPECT_EQ(objective.clip_high, 0.28);
  EXPECT_EQ(objective.advantage, AdvantageKind::kRloo);
  EXPECT_EQ(objective.std_ddof, 0);
}

TEST(Objective, ANullDualClipSwitchesItOff) {
  EXPECT_TRUE(ParseObjective({{"preset", "verl"}}).dual_clip.has_value());
  EXPECT_FALSE(ParseObjective({{"preset", "verl"}, {"dual_clip", nullptr}}).dual_clip.has_value());
}

TEST(Objective, UnknownNamesAreRefusedWithTheNearestOne) {
  EXPECT_EQ(UsageErrorOf({{"preset", "drgrpo"}}),
            "unknown objective preset 'drgrpo'; did you mean 'dr_grpo'?");
  EXPECT_EQ(UsageErrorOf({{"preset", "grpo"}, {"clip_hi", 0.2}}),
            "unknown knob objective.clip_hi; did you mean 'clip_high'?");
  EXPECT_EQ(UsageErrorOf({{"preset", "grpo"}, {"aggregation", "tokenmean"}}),
            "unknown objective.aggregation 'tokenmean'; did you mean 'token_mean'?");
}

TEST(Objective, ValuesOfTheWrongTypeOrOutOfRangeAreRefused) {
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"clip_low", "0.2"}}),
              HasSubstr("objective.clip_low must be a number in [0"));
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"clip_low", 1.5}}), HasSubstr("got 1.5"));
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"std_ddof", 2}}), HasSubstr("std_ddof"));
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"std_ddof", 0.5}}), HasSubstr("whole number"));
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"dual_clip", 0.5}}), HasSubstr("dual_clip"));
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"kl", 3}}), HasSubstr("one of none, k1, k2, k3"));
  EXPECT_THAT(UsageErrorOf({{"preset", 7}}), HasSubstr("objective.preset must be a name"));
  EXPECT_THAT(UsageErrorOf({{"clip_low", 0.1}}), HasSubstr("objective.preset is missing"));
  EXPECT_THAT(UsageErrorOf(json::array()), HasSubstr("must be an object"));
}

TEST(Objective, KnobsThatContradictEachOtherAreRefused) {
  Objective objective = ParseObjective({{"preset", "dr_grpo"}});
  EXPECT_THROW(CheckObjective(objective), Error);
  objective.max_length = 8;
  EXPECT_NO_THROW(CheckObjective(objective));
  EXPECT_THROW(CheckObjective(ParseObjective({{"preset", "dapo"}, {"kl_coef", 0.1}})), Error);
}

TEST(Objective, ExplainPrintsTheResolvedFormula) {
  const std::string verl =
      Explain(ParseObjective({{"preset", "verl"}, {"is_correction", "token"}, {"is_cap", 1.5}}));
  EXPECT_THAT(verl, HasSubstr("A = (r - mean) / (std + 1e-06), std with ddof 1"));
  EXPECT_THAT(verl, HasSubstr("max(-A rho, -A clip(rho, 0.8, 1.2)); where A < 0: min(l, -A 3)"));
  EXPECT_THAT(verl, HasSubstr("min(exp(old_logprobs - rollout_logprobs), 1.5)"));
  EXPECT_THAT(verl, HasSubstr("KL         none"));
  EXPECT_THAT(verl, HasSubstr("sum of l / tokens of the optimizer step"));
  EXPECT_THAT(Explain(FromPreset("grpo")), HasSubstr("l += 0.04 * (exp(-d) - 1 + d)"));
  EXPECT_THAT(Explain(FromPreset("gspo")), HasSubstr("mean over the sample's tokens"));
  EXPECT_THAT(Explain(FromPreset("cispo")), HasSubstr("stop_gradient(min(rho, 5))"));
}

TEST(Objective, EveryListedPresetExists) {
  for (const std::string& name : PresetNames()) EXPECT_EQ(FromPreset(name).preset, name);
  EXPECT_EQ(PresetNames().size(), 7u);
}

}  // namespace
}  // namespace cohort::rl
