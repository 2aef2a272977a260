#include "rl/run/recipe_adapter.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "rl/run/initial_policy.h"

namespace cohort::rl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

const std::filesystem::path kGolden = COHORT_GOLDEN_DIR "/policy";
const std::string kPeft =
    kGolden / "peft_rslora";  // of rank 4 and alpha 6, stabilised, dropout 0.25

policy::ModelConfig TinyLlama() { return policy::ReadConfig(kGolden / "tiny_llama/config.json"); }

proto::Recipe Recipe(const std::string& adapter, int rank = 0,
                     const std::vector<std::string>& targets = {}) {
  proto::Recipe recipe;
  if (!adapter.empty()) recipe.mutable_lora()->set_adapter(adapter);
  recipe.mutable_lora()->set_rank(rank);
  for (const std::string& target : targets) recipe.mutable_lora()->add_targets(target);
  return recipe;
}

// The message of the refusal and its hint; "" where there is none.
std::string Refusal(const proto::Recipe& recipe, const policy::ModelConfig& model = TinyLlama()) {
  try {
    RecipeAdapter(recipe, model);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return std::string(error.what()) + "; " + error.hint();
  }
  return "";
}

TEST(RecipeAdapter, IsNothingWhereAllWeightsAreTrained) {
  EXPECT_FALSE(RecipeAdapter(Recipe(""), TinyLlama()).has_value());
}

TEST(RecipeAdapter, OfARankAndTargetsIsFresh) {
  proto::Recipe recipe = Recipe("", 4, {"q_proj"});
  EXPECT_EQ(RecipeAdapter(recipe, TinyLlama())->config.scale(), 16.0 / 4);
  EXPECT_THAT(RecipeAdapter(recipe, TinyLlama())->weights, IsEmpty());
  recipe.mutable_lora()->set_alpha(8);
  recipe.mutable_lora()->set_rank_stabilised(true);
  recipe.mutable_lora()->set_dropout(0.1);
  EXPECT_EQ(RecipeAdapter(recipe, TinyLlama())->config.scale(), 8.0 / 2);
  EXPECT_EQ(RecipeAdapter(recipe, TinyLlama())->config.dropout, 0.1);
}

TEST(RecipeAdapter, OfATargetThatNamesNoLayerIsRefusedWithTheNearest) {
  EXPECT_THAT(
      Refusal(Recipe("", 4, {"q_proj", "downproj"})),
      HasSubstr("'downproj' names no linear layer of this model; did you mean 'down_proj'"));
  EXPECT_THAT(Refusal(Recipe("", 4, {""})), HasSubstr("'' names no linear layer"));
}

// A model that no machine holds: nothing of it was made.
TEST(RecipeAdapter, IsCheckedBeforeAWeightIsMade) {
  proto::Recipe recipe = Recipe("", 4, {"qproj"});
  proto::Scratch& scratch = *recipe.mutable_model()->mutable_scratch();
  scratch.set_layers(1000);
  scratch.set_width(65536);
  scratch.set_ffn_width(1'000'000);
  scratch.set_experts(0);
  for (const auto& start : {InitialPolicy, InitialPolicyWithoutWeights}) {
    try {
      start(recipe);
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("did you mean 'q_proj'"));
    }
  }
}

TEST(RecipeAdapter, OfAPeftFolderGoesOnAsItIs) {
  const auto adapter = RecipeAdapter(Recipe(kPeft), TinyLlama());
  EXPECT_EQ(adapter->config.rank, 4);
  EXPECT_TRUE(adapter->config.rank_stabilised);
  EXPECT_EQ(adapter->config.scale(), 6 / 2.0);
  EXPECT_EQ(adapter->config.dropout, 0.25);
  EXPECT_EQ(adapter->weights.size(), 2u * 2 * 2);
  proto::Recipe agreeing = Recipe(kPeft, 4, {"down_proj", "q_proj"});
  agreeing.mutable_lora()->set_alpha(6);
  agreeing.mutable_lora()->set_dropout(0);
  EXPECT_EQ(RecipeAdapter(agreeing, TinyLlama())->config.dropout, 0) << "the recipe's to choose";
}

TEST(RecipeAdapter, ThatDisagreesWithItsFolderIsRefused) {
  EXPECT_THAT(Refusal(Recipe(kPeft, 8)),
              AllOf(HasSubstr("lora.rank is 8, and that of lora.adapter ("), HasSubstr(") is 4")));
  EXPECT_THAT(Refusal(Recipe(kPeft, 4, {"q_proj"})),
              AllOf(HasSubstr("adapts model.layers.0.mlp.down_proj"),
                    HasSubstr("which lora.targets do not name")));
  EXPECT_THAT(Refusal(Recipe(kPeft, 4, {"q_proj", "down_proj", "v_proj"})),
              AllOf(HasSubstr("lora.targets name model.layers.0.self_attn.v_proj"),
                    HasSubstr("does not adapt")));
  proto::Recipe recipe = Recipe(kPeft);
  recipe.mutable_lora()->set_alpha(16);
  EXPECT_THAT(Refusal(recipe), HasSubstr("lora.alpha is 16, and that of lora.adapter"));
  recipe.mutable_lora()->clear_alpha();
  recipe.mutable_lora()->set_rank_stabilised(false);
  EXPECT_THAT(Refusal(recipe), HasSubstr("lora.rank_stabilised is false, and that of"));
}

TEST(RecipeAdapter, OfAnotherModelIsRefused) {
  const policy::ModelConfig other = policy::ReadConfig(kGolden / "tiny_moe/config.json");
  EXPECT_THAT(Refusal(Recipe(kPeft), other), HasSubstr("down_proj has no linear layer"));
  policy::ModelConfig wider = TinyLlama();
  wider.ffn_width = 32;
  EXPECT_THAT(Refusal(Recipe(kPeft), wider), HasSubstr("has another shape"));
  EXPECT_THROW(RecipeAdapter(Recipe(kGolden / "tiny_llama"), TinyLlama()), Error) << "no adapter";
}

// The export of a run has the adapter added: going on with it would add it twice.
TEST(RecipeAdapter, IsNotAddedTwice) {
  const base::TemporaryFolder folder;
  const std::filesystem::path model = folder.path() / "model";
  std::filesystem::create_directories(model);
  std::filesystem::copy_file(kGolden / "tiny_llama/config.json", model / "config.json");
  std::filesystem::copy(kPeft, model / "adapter");
  proto::Recipe recipe = Recipe(model / "adapter");
  recipe.mutable_model()->set_path(model);
  EXPECT_THAT(Refusal(recipe), HasSubstr("would be added twice"));
  recipe.mutable_lora()->set_adapter(kPeft);  // of the same base, as that of another step
  EXPECT_THAT(Refusal(recipe), AllOf(HasSubstr("would be added twice"), HasSubstr("tiny_llama")));
  recipe.mutable_model()->set_path(kGolden / "tiny_llama");
  EXPECT_EQ(Refusal(recipe), "");
}

TEST(RecipeAdapter, OfTheHeadHasNoDropout) {
  const policy::ModelConfig untied = policy::ReadConfig(kGolden / "tiny_moe/config.json");
  proto::Recipe recipe = Recipe("", 4, {"lm_head"});
  EXPECT_EQ(Refusal(recipe, untied), "");
  recipe.mutable_lora()->set_dropout(0.1);
  EXPECT_THAT(Refusal(recipe, untied), HasSubstr("leave lm_head out"));
}

}  // namespace
}  // namespace cohort::rl
