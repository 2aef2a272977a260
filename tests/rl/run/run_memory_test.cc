#include "rl/run/run_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "policy/transformer/activation_memory.h"
#include "rl/run/train_recipe.h"
#include "tests/rl/run/run_fixture.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;

// Wide enough that a sequence takes some MiB.
proto::Recipe Recipe(const std::vector<std::string>& more) {
  std::vector<std::string> overrides = {
      "model.scratch.width=256",   "model.scratch.ffn_width=4096", "model.scratch.layers=4",
      "model.scratch.context=512", "data.max_prompt_tokens=200",   "rollout.max_new_tokens=56"};
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
  EXPECT_THROW(InitialPolicyWithoutWeights(Recipe({key + std::to_string(std::stoi(smallest) - 1)})),
               Error);
}

TEST(ActivationBudget, ThatMakesMicroBatchesSmallerSaysHowManyTokensTheyHave) {
  EXPECT_THAT(WhatItSays({"optimizer.activation_memory_mb=100"}),
              HasSubstr("micro-batches have at most as many, not "
                        "optimizer.max_tokens_per_microbatch (2048)"));
  EXPECT_EQ(WhatItSays({"optimizer.activation_memory_mb=100000"}), WhatItSays({}));
}

// A demonstration without a bound of its own may be as long as the context, which no budget is for.
TEST(ActivationBudget, IsForTheDemonstrationsThatThereAreWhereNothingBoundsThem) {
  const auto sft = [](const std::vector<std::string>& more) {
    std::vector<std::string> overrides = {"model.scratch.width=256", "model.scratch.layers=4",
                                          "model.scratch.context=100000",
                                          "optimizer.activation_memory_mb=8"};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return TinyRecipe("[{kind: sft, steps: 1}]", overrides);
  };
  EXPECT_NO_THROW(InitialPolicyWithoutWeights(sft({})));
  EXPECT_THROW(InitialPolicyWithoutWeights(sft({"data.max_sequence_tokens=50000"})), Error);
}

// "17+5=" and its answer: digits of two numbers, two signs, at most four tokens of an answer.
TEST(RowLengthsOfARun, AreThoseOfTheRowsThatItBeginsWith) {
  const proto::Recipe recipe = TinyRecipe("[{kind: sft, steps: 1}, {kind: grpo, steps: 1}]");
  const policy::Model model = InitialPolicyWithoutWeights(recipe);
  ProblemSource problems(recipe.data(), ProblemOptions(recipe, model));
  int64_t sum = 0, longest = 0;
  for (uint64_t row = 0; row < 512; ++row) {
    const auto length = static_cast<int64_t>(problems.Train(row)->prompt_ids.size());
    sum += length;
    longest = std::max(longest, length);
  }
  const RowLengths rows = MeasureRows(recipe, model);
  EXPECT_EQ(rows.rows, 512);
  EXPECT_EQ(rows.prompt, (sum + 256) / 512);
  EXPECT_EQ(rows.longest_prompt, longest);
  EXPECT_GT(rows.demonstration, rows.prompt);
  EXPECT_LE(rows.longest_demonstration, longest + 5);
}

TEST(RowLengthsOfARun, BoundTheStepsOfThePlan) {
  const proto::Recipe recipe = TinyRecipe(
      "[{kind: sft, steps: 1, sequences_per_step: 100}, {kind: grpo, steps: 1, prompts_per_step: "
      "4, "
      "group_size: 3, updates_per_step: 2}]");
  const policy::ModelConfig config = InitialPolicyWithoutWeights(recipe).config;
  const LocalRun supposed = LocalRunOf(recipe, config);
  EXPECT_EQ(supposed.prompt_tokens, 64 - 8) << "the context without the completion";
  EXPECT_EQ(supposed.demonstration_tokens, 64);
  const LocalRun run = LocalRunOf(recipe, config, RowLengths{512, 6, 7, 9, 11});
  EXPECT_EQ(run.step_tokens(), 100 * (9 - 1)) << "the last token predicts nothing";
  EXPECT_EQ(run.longest(config), 7 + 8);
  EXPECT_EQ(run.sampled(config), 6 + 8);
  const LocalRun grpo = LocalRunOf(TinyRecipe("[{kind: grpo, steps: 1, prompts_per_step: 4, "
                                              "group_size: 3, updates_per_step: 2}]"),
                                   config, RowLengths{512, 6, 7, 0, 0});
  EXPECT_EQ(grpo.step_tokens(), (4 * 6 + 12 * 7) / 2);
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
