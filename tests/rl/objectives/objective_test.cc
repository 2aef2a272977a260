#include "rl/objectives/objective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "rl/objectives/explain.h"
#include "rl/objectives/parse_objective.h"

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
  const proto::Objective objective = ParseObjective(
      {{"preset", "dapo"}, {"clip_low", 0.1}, {"advantage", "rloo"}, {"std_ddof", 0}});
  EXPECT_EQ(objective.preset(), proto::Objective::PRESET_DAPO);
  EXPECT_EQ(objective.clip_low(), 0.1);
  EXPECT_EQ(objective.clip_high(), 0.28);
  EXPECT_EQ(objective.advantage(), proto::Objective::ADVANTAGE_RLOO);
  EXPECT_EQ(objective.std_ddof(), 0);
}

TEST(Objective, ANullDualClipSwitchesItOff) {
  EXPECT_TRUE(ParseObjective({{"preset", "verl"}}).has_dual_clip());
  EXPECT_FALSE(ParseObjective({{"preset", "verl"}, {"dual_clip", nullptr}}).has_dual_clip());
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
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"clip_low", 101}}), HasSubstr("got 101"));
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"std_ddof", 2}}), HasSubstr("std_ddof"));
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"std_ddof", 0.5}}), HasSubstr("whole number"));
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"dual_clip", 0.5}}), HasSubstr("dual_clip"));
  EXPECT_THAT(UsageErrorOf({{"preset", "grpo"}, {"kl", 3}}), HasSubstr("one of none, k1, k2, k3"));
  EXPECT_THAT(UsageErrorOf({{"preset", 7}}), HasSubstr("objective.preset must be a name"));
  EXPECT_THAT(UsageErrorOf({{"clip_low", 0.1}}), HasSubstr("objective.preset is missing"));
  EXPECT_THAT(UsageErrorOf(json::array()), HasSubstr("must be an object"));
}

TEST(Objective, KnobsThatContradictEachOtherAreRefused) {
  proto::Objective objective = ParseObjective({{"preset", "dr_grpo"}});
  EXPECT_THROW(CheckObjective(objective), Error);
  objective.set_max_length(8);
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
  EXPECT_THAT(Explain(FromPreset(proto::Objective::PRESET_GRPO)),
              HasSubstr("l += 0.04 * (exp(-d) - 1 + d)"));
  EXPECT_THAT(Explain(FromPreset(proto::Objective::PRESET_GSPO)),
              HasSubstr("mean over the sample's tokens"));
  EXPECT_THAT(Explain(FromPreset(proto::Objective::PRESET_CISPO)),
              HasSubstr("stop_gradient(min(rho, 5))"));
}

TEST(Objective, RangesAreThoseOfTheRecipe) {
  EXPECT_EQ(UsageErrorOf({{"preset", "grpo"}, {"kl_coef", 50}}),
            "objective.kl_coef must be a number in [0.0, 10.0], got 50");
  EXPECT_EQ(UsageErrorOf({{"preset", "dr_grpo"}, {"max_length", 1'000'001}}),
            "objective.max_length must be a number in [1.0, 1000000.0], got 1000001");
  EXPECT_EQ(ParseObjective({{"preset", "grpo"}, {"kl_coef", 10}}).kl_coef(), 10);
}

TEST(Objective, ARecipesOwnKnobsGoBeforeThoseOfItsPreset) {
  proto::Recipe recipe;
  recipe.mutable_rollout()->set_max_new_tokens(77);
  recipe.mutable_objective()->set_preset(proto::Objective::PRESET_DR_GRPO);
  recipe.mutable_objective()->set_clip_high(0.3);
  proto::Objective resolved = ResolveObjective(recipe);
  EXPECT_EQ(resolved.clip_high(), 0.3);
  EXPECT_EQ(resolved.clip_low(), 0.2);
  EXPECT_EQ(resolved.advantage(), proto::Objective::ADVANTAGE_GROUP_MEAN);
  EXPECT_EQ(resolved.max_length(), 77) << "of the longest completion";
  recipe.mutable_objective()->set_max_length(5);
  EXPECT_EQ(ResolveObjective(recipe).max_length(), 5);
  recipe.mutable_objective()->set_kl_coef(0.1);
  EXPECT_THROW(ResolveObjective(recipe), Error);
}

TEST(Objective, ComputingWithKnobsThatNoPresetFilledInIsABrokenInvariant) {
  EXPECT_THROW(CheckObjective(proto::Objective()), Error);
  for (int i = proto::Objective::Preset_MIN; i <= proto::Objective::Preset_MAX; ++i) {
    proto::Objective objective = FromPreset(static_cast<proto::Objective::Preset>(i));
    EXPECT_EQ(objective.preset(), i);
    objective.set_max_length(8);
    EXPECT_NO_THROW(CheckObjective(objective));
  }
}

}  // namespace
}  // namespace cohort::rl
