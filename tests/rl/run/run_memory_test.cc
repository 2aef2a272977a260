#include "rl/run/initial_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "policy/transformer/activation_memory.h"
#include "tests/rl/run/run_fixture.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;

// Wide enough that a sequence takes some MiB.
proto::Recipe Recipe(const std::vector<std::string>& more) {
  std::vector<std::string> overrides = {"model.scratch.width=256", "model.scratch.ffn_width=4096",
                                        "model.scratch.layers=4", "model.scratch.context=512",
                                        "data.max_prompt_tokens=200", "rollout.max_new_tokens=56"};
  overrides.insert(overrides.end(), more.begin(), more.end());
  return TinyRecipe("[{kind: grpo, steps: 1}]", overrides);
}

std::string WhatItSays(const std::vector<std::string>& overrides) {
  testing::internal::CaptureStderr();
  InitialPolicyWithoutWeights(Recipe(overrides));
  return testing::internal::GetCapturedStderr();
}

TEST(ActivationBudget, ThatCannotHoldOneSequenceIsRefusedWithTheSmallestThatWouldDo) {
  std::string smallest;
  for (const bool dry : {true, false}) {
    const proto::Recipe recipe = Recipe({"optimizer.activation_memory_mb=1"});
    try {
      dry ? InitialPolicyWithoutWeights(recipe) : InitialPolicy(recipe);
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("cannot hold one sequence of 256 tokens"));
      std::smatch found;
      const std::string hint = error.hint();
      ASSERT_TRUE(std::regex_search(hint, found, std::regex("smallest that would do is (\\d+)")));
      smallest = found[1];
    }
  }
  const std::string key = "optimizer.activation_memory_mb=";
  EXPECT_NO_THROW(InitialPolicyWithoutWeights(Recipe({key + smallest})));
  EXPECT_THROW(
      InitialPolicyWithoutWeights(Recipe({key + std::to_string(std::stoi(smallest) - 1)})), Error);
}

TEST(ActivationBudget, ThatMakesMicroBatchesSmallerSaysHowManyTokensTheyHave) {
  EXPECT_THAT(WhatItSays({"optimizer.activation_memory_mb=100"}),
              HasSubstr("micro-batches have at most as many, not "
                        "optimizer.max_tokens_per_microbatch (2048)"));
  EXPECT_EQ(WhatItSays({"optimizer.activation_memory_mb=100000"}), WhatItSays({}));
}

TEST(ActivationBudget, GoesFromTheRecipeToThePlan) {
  const proto::Recipe all = Recipe({}), some = Recipe({"optimizer.activation_memory_mb=400"});
  const policy::ModelConfig config = InitialPolicyWithoutWeights(all).config;
  const LocalRun kept = LocalRunOf(all, config), budgeted = LocalRunOf(some, config);
  EXPECT_EQ(RecomputedLayers(config, kept), 0);
  EXPECT_GT(MemoryOf(config, kept).activations, 400 << 20);
  EXPECT_LE(MemoryOf(config, budgeted).activations, 400 << 20);
  EXPECT_GT(RecomputedLayers(config, budgeted), 0);
  EXPECT_LT(RecomputedLayers(config, budgeted), 4);
  EXPECT_EQ(RecipeLearnerOptions(some).activation_memory, int64_t{400} << 20);
}

}  // namespace
}  // namespace cohort::rl
