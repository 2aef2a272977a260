#include "rl/recipe/recipe.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "rl/recipe/thread_budget.h"

namespace cohort::rl {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;
using testing::Not;

constexpr char kGood[] = R"(name: good
model: {path: folder}
data: {train: train.jsonl}
rewards: [{name: last_number}]
rounds:
  - {kind: sft, steps: 3}
  - kind: grpo
    steps: 5
    learning_rate: 1e-5
)";

class RecipeTest : public testing::Test {
 protected:
  proto::Recipe Load(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return LoadRecipe(folder_.Write("x.yaml", text), overrides);
  }
  // The message of the error, with the folder's path taken out.
  std::string Fault(const std::string& text, const std::vector<std::string>& overrides = {}) {
    try {
      Load(text, overrides);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      std::string message = error.what();
      const std::string prefix = folder_.path().string() + "/";
      for (size_t at; (at = message.find(prefix)) != std::string::npos;) {
        message.erase(at, prefix.size());
      }
      return message;
    }
    return "(no error)";
  }
  std::string FaultOfOverride(const std::string& argument) { return Fault(kGood, {argument}); }

  base::TemporaryFolder folder_;
};

TEST_F(RecipeTest, ReadsValuesAndFillsDefaultsIn) {
  const proto::Recipe recipe = Load(kGood);
  EXPECT_EQ(recipe.name(), "good");
  ASSERT_EQ(recipe.rounds_size(), 2);
  EXPECT_EQ(recipe.rounds(1).steps(), 5);
  EXPECT_EQ(recipe.rounds(1).learning_rate(), 1e-5);
  EXPECT_TRUE(recipe.rounds(1).has_group_size());
  EXPECT_EQ(recipe.rounds(1).group_size(), 8);
  EXPECT_TRUE(recipe.has_optimizer());
  EXPECT_EQ(recipe.optimizer().beta2(), 0.95);
  EXPECT_FALSE(recipe.model().has_scratch());
  EXPECT_FALSE(recipe.objective().has_clip_low()) << "the preset decides";
}

TEST_F(RecipeTest, IsNamedAfterItsFileUnlessItSaysOtherwise) {
  const std::string text(kGood);
  EXPECT_EQ(Load(text.substr(text.find('\n') + 1)).name(), "x");
}

TEST_F(RecipeTest, AnUnknownKeyIsNamedWithLineAndNearestKey) {
  EXPECT_EQ(Fault(std::string(kGood) + "    learnng_rate: 1e-6\n"),
            "x.yaml:10: unknown key 'learnng_rate' in rounds[1]; did you mean 'learning_rate'?");
  EXPECT_EQ(Fault(std::string(kGood) + "learnng_rate: 1e-6\n"),
            "x.yaml:10: unknown key 'learnng_rate' in the recipe; did you mean "
            "'rounds[i].learning_rate'?");
  EXPECT_EQ(Fault(std::string(kGood) + "optimzer: {beta1: 1}\n"),
            "x.yaml:10: unknown key 'optimzer' in the recipe; did you mean 'optimizer'?");
}

TEST_F(RecipeTest, AllFaultsAreReportedAtOnce) {
  EXPECT_EQ(Fault("name: a\n"
                  "sed: 3\n"
                  "threads: many\n"
                  "rollout: {temperature: -1, top_p: x}\n"
                  "objective: {preset: grppo}\n"
                  "data: [a]\n"
                  "name: b\n",
                  {"optimzer.beta1=0.8"}),
            "x.yaml:2: unknown key 'sed' in the recipe; did you mean 'seed'?\n"
            "x.yaml:3: threads must be a whole number, not 'many'\n"
            "x.yaml:4: rollout.temperature is -1; must be between 0 and 100\n"
            "x.yaml:4: rollout.top_p must be a number, not 'x'\n"
            "x.yaml:5: objective.preset is 'grppo'; must be one of grpo, dr_grpo, dapo, gspo, "
            "cispo, verl, trl; did you mean 'grpo'?\n"
            "x.yaml:6: data must be a mapping of keys, not a list\n"
            "x.yaml:7: key 'name' appears twice in the recipe\n"
            "argument 'optimzer.beta1=0.8': unknown key 'optimzer' in the recipe; did you mean "
            "'optimizer'?");
}

TEST_F(RecipeTest, RangesAreToldWithTheirUnit) {
  EXPECT_EQ(FaultOfOverride("rollout.max_new_tokens=0"),
            "argument 'rollout.max_new_tokens=0': rollout.max_new_tokens is 0; must be between 1 "
            "and 1000000 tokens");
  EXPECT_THAT(FaultOfOverride("rounds[0].steps=99999999999999"),
              HasSubstr("must be between 1 and"));
  EXPECT_THAT(FaultOfOverride("rounds[0].steps=1.5"), HasSubstr("must be a whole number"));
  EXPECT_THAT(FaultOfOverride("rollout.temperature=nan"), HasSubstr("must be a number"));
  EXPECT_THAT(FaultOfOverride("seed=-1"), HasSubstr("must be a whole number from 0"));
  EXPECT_THAT(FaultOfOverride("data.chat=maybe"), HasSubstr("must be true or false"));
}

TEST_F(RecipeTest, AKindThatThereIsNotIsToldWithThoseThereAre) {
  EXPECT_EQ(FaultOfOverride("rounds[0].schedule=cosin"),
            "argument 'rounds[0].schedule=cosin': rounds[0].schedule is 'cosin'; must be one of "
            "constant, linear, cosine; did you mean 'cosine'?");
  EXPECT_EQ(FaultOfOverride("rounds[0].kind=SFT"),
            "argument 'rounds[0].kind=SFT': rounds[0].kind is 'SFT'; must be one of sft, grpo, "
            "rejection_sft");
  EXPECT_THAT(FaultOfOverride("rollout.dtype=float16"), HasSubstr("one of float32, bfloat16"));
  EXPECT_THAT(FaultOfOverride("objective.kl=KL_K1"), HasSubstr("one of none, k1, k2, k3"));
  EXPECT_THAT(FaultOfOverride("mtp.export=[keep"), HasSubstr("is '[keep'; must be one of"));
}

TEST_F(RecipeTest, ARewardsWeightHasARangeAndADefaultLikeAnyKey) {
  EXPECT_EQ(Load(kGood).rewards(0).weight(), 1);
  EXPECT_EQ(Load(kGood, {"rewards[0].weight=0"}).rewards(0).weight(), 0);
  EXPECT_EQ(FaultOfOverride("rewards[0].weight=1001"),
            "argument 'rewards[0].weight=1001': rewards[0].weight is 1001; must be between -1000 "
            "and 1000");
  EXPECT_THAT(FaultOfOverride("rewards[0].wight=1"),
              HasSubstr("unknown key 'wight' in rewards[0]; did you mean 'weight'?"));
}

TEST_F(RecipeTest, OverridesReachListsMapsAndNestedFields) {
  const proto::Recipe recipe =
      Load(kGood, {"optimizer.beta1=0.8", "rounds[1].steps=7", "rounds[2].kind=rejection_sft",
                   "rewards[0].name=format", "rewards[0].options.pattern=^\\[x=: y+",
                   "rollout.addresses=[a:1, b:2]", "data.strip_pattern=<<[^>]*>>",
                   "seed=18446744073709551615"});
  EXPECT_EQ(recipe.optimizer().beta1(), 0.8);
  EXPECT_EQ(recipe.rounds(1).steps(), 7);
  ASSERT_EQ(recipe.rounds_size(), 3);
  EXPECT_EQ(recipe.rounds(2).kind(), proto::ROUND_KIND_REJECTION_SFT);
  EXPECT_EQ(recipe.rewards(0).options().at("pattern"), "^\\[x=: y+");
  EXPECT_THAT(recipe.rollout().addresses(), testing::ElementsAre("a:1", "b:2"));
  EXPECT_EQ(recipe.data().strip_pattern(), "<<[^>]*>>");
  EXPECT_EQ(recipe.seed(), UINT64_MAX);
}

TEST_F(RecipeTest, AnEmptyOverrideTakesTheValueBack) {
  const proto::Recipe recipe = Load(kGood, {"data.train=", "data.generator=addition"});
  EXPECT_FALSE(recipe.data().has_train());
}

TEST_F(RecipeTest, AMalformedOverrideIsExplained) {
  EXPECT_EQ(FaultOfOverride("steps"), "argument 'steps': expected KEY=VALUE");
  EXPECT_THAT(FaultOfOverride("rounds.steps=1"),
              HasSubstr("rounds needs an index, as in rounds[0]"));
  EXPECT_THAT(FaultOfOverride("rounds[9].steps=1"),
              HasSubstr("has 2 entries; [9] is past the end"));
  EXPECT_THAT(FaultOfOverride("rounds[x].steps=1"), HasSubstr("needs an index"));
  EXPECT_THAT(FaultOfOverride("rounds[0]=1"), HasSubstr("is a group of keys"));
  EXPECT_THAT(FaultOfOverride("seed.x=1"), HasSubstr("seed is a single value"));
  EXPECT_THAT(FaultOfOverride("rounds[0].=1"), HasSubstr("expected '.KEY'"));
  EXPECT_THAT(FaultOfOverride("optimizer.beta9=1"),
              HasSubstr("unknown key 'beta9' in optimizer; did you mean 'beta1'?"));
  EXPECT_THAT(FaultOfOverride("model.lora.rank=1"),
              HasSubstr("unknown key 'lora' in model; did you mean 'lora' at the top level?"));
  EXPECT_THAT(FaultOfOverride("rollout.addresses=[a"), HasSubstr("cannot read the value"));
}

TEST_F(RecipeTest, BrokenYamlIsNamedByLineAndColumn) {
  EXPECT_THAT(Fault("name: a\nmodel: {path: [}\n"), HasSubstr("x.yaml:2:16: not valid YAML"));
  EXPECT_THAT(Fault(""), HasSubstr("x.yaml: the recipe is empty"));
  EXPECT_THAT(Fault("- a\n"),
              HasSubstr("x.yaml:1: the recipe must be a mapping of keys, not a list"));
  EXPECT_THAT(Fault("name: a\n---\nname: b\n"), HasSubstr("a second YAML document"));
}

TEST_F(RecipeTest, AMissingFileIsNamed) {
  try {
    LoadRecipe("/no/such/recipe.yaml");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("/no/such/recipe.yaml: No such file"));
  }
}

TEST_F(RecipeTest, ChoicesThatExcludeEachOtherAreChecked) {
  EXPECT_THAT(FaultOfOverride("model.scratch.layers=2"),
              HasSubstr("model needs exactly one of path (a model to load) and scratch (the shape "
                        "of a new one); it has both"));
  EXPECT_THAT(FaultOfOverride("data.generator=addition"),
              HasSubstr("x.yaml:3: data needs exactly one of train (a JSON-lines file) and "
                        "generator; it has both"));
  EXPECT_EQ(Fault("rounds: [{kind: sft}]\ndata: {generator: addition}\n"),
            "x.yaml: model needs exactly one of path (a model to load) and scratch (the shape of a "
            "new one); it has neither");
}

TEST_F(RecipeTest, AdaptersNeedARankAndTargets) {
  EXPECT_EQ(Load(kGood).lora().rank(), 0);
  EXPECT_EQ(Load(kGood, {"lora.rank=8", "lora.targets=[q_proj]"}).lora().targets(0), "q_proj");
  EXPECT_THAT(FaultOfOverride("lora.rank=8"), HasSubstr("lora.targets is empty"));
  EXPECT_THAT(FaultOfOverride("lora.targets=[q_proj]"), HasSubstr("needs a lora.rank"));
  EXPECT_THAT(FaultOfOverride("lora.dropout=0.1"), HasSubstr("there are none"));
  EXPECT_THAT(FaultOfOverride("lora.base=fp8"), HasSubstr("there are none"));
  EXPECT_EQ(Load(kGood, {"lora.adapter=some/folder"}).lora().adapter(), "some/folder");
  const std::string lora = "lora.adapter=some/folder", masters = "optimizer.masters=false";
  EXPECT_FALSE(Load(kGood, {masters}).optimizer().masters());
  EXPECT_THAT(Fault(kGood, {lora, masters}),
              HasSubstr("adapters (lora.*) are few and have masters: leave one of the two out"));
}

TEST_F(RecipeTest, ADeterministicRunNeedsEnginesThatMultiplyAlike) {
  EXPECT_FALSE(Load(kGood).deterministic());
  EXPECT_TRUE(Load(kGood, {"deterministic=true"}).deterministic());
  const std::string bf16 = "optimizer.precision=bfloat16", halves = "rollout.dtype=bfloat16";
  EXPECT_EQ(Fault(kGood, {"deterministic=true", bf16, halves}), "(no error)");
  EXPECT_THAT(Fault(kGood, {"deterministic=true", bf16}),
              HasSubstr("rollout.dtype is float32 and optimizer.precision bfloat16"));
  EXPECT_THAT(Fault(kGood, {"deterministic=true", halves}),
              HasSubstr("rollout.dtype is bfloat16 and optimizer.precision float32"));
  EXPECT_THAT(Fault(kGood, {"deterministic=true", "lora.rank=8", "lora.targets=[q_proj]"}),
              HasSubstr("deterministic does not go with lora"));
  EXPECT_EQ(Fault(kGood, {"deterministic=true", bf16, "rewards=[]", "rounds=[{kind: sft}]"}),
            "(no error)")
      << "no worker samples";
}

TEST_F(RecipeTest, RoutingIsReplayedOfAMixtureOfExperts) {
  EXPECT_TRUE(Load(kGood, {"rollout.routing_replay=true"}).rollout().routing_replay());
  std::string dense = kGood;
  dense.replace(dense.find("{path: folder}"), 14, "{scratch: {experts: 0}}");
  EXPECT_EQ(Fault(dense, {"rollout.max_new_tokens=16"}), "(no error)");
  EXPECT_THAT(Fault(dense, {"rollout.max_new_tokens=16", "rollout.routing_replay=true"}),
              HasSubstr("model.scratch.experts is 0"));
}

TEST_F(RecipeTest, RoundsAreCheckedAgainstTheRest) {
  EXPECT_THAT(FaultOfOverride("rounds[1].group_size=1"), HasSubstr("must be at least 2 in a grpo"));
  EXPECT_THAT(FaultOfOverride("rollout.temperature=0"), HasSubstr("rollout.temperature is 0"));
  EXPECT_THAT(FaultOfOverride("rewards=[]"),
              HasSubstr("x.yaml:7: rounds[1] is a grpo round, which"));
  EXPECT_THAT(FaultOfOverride("rounds=[]"), HasSubstr("rounds is empty"));
  EXPECT_THAT(FaultOfOverride("rounds[2].steps=1"), HasSubstr("rounds[2] has no kind"));
  EXPECT_THAT(FaultOfOverride("rewards[1].weight=2"), HasSubstr("rewards[1] has no name"));
  EXPECT_THAT(FaultOfOverride("rollout.workers=0"), HasSubstr("nobody would decode"));
  EXPECT_THAT(FaultOfOverride("name=a/b"), HasSubstr("names a folder"));
  EXPECT_EQ(Fault(kGood, {"rewards=[]", "rounds=[{kind: sft}]"}), "(no error)")
      << "sft alone needs no rewards";
}

TEST_F(RecipeTest, AModelFromScratchMustHaveAShapeThatWorks) {
  const auto fault = [&](const std::string& argument) {
    return Fault(kGood, {"model.path=", "rollout.max_new_tokens=8", "model.scratch." + argument});
  };
  EXPECT_EQ(fault("layers=2"), "(no error)");
  EXPECT_THAT(fault("experts_per_token=9"), HasSubstr("must be at most experts (8)"));
  EXPECT_THAT(fault("kv_heads=3"), HasSubstr("heads (4) must be a multiple of kv_heads (3)"));
  EXPECT_THAT(fault("width=132"), HasSubstr("must be an even whole number"));
  EXPECT_THAT(fault("groups=3"), HasSubstr("groups (3) must divide experts (8)"));
  EXPECT_THAT(fault("groups=8"), HasSubstr("into groups of at least 2"));
  EXPECT_THAT(fault("groups_per_token=2"), HasSubstr("must be at most groups (1)"));
  EXPECT_THAT(fault("qk_rope_head_dim=3"), HasSubstr("(no error)")) << "unused";
  EXPECT_THAT(fault("context=8"), HasSubstr("leaves no room for a prompt"));
}

TEST_F(RecipeTest, ARewardThatCannotBeMadeIsNamedWithItsLine) {
  const auto fault = [&](const std::string& rewards) {
    return Fault("model: {path: m}\ndata: {train: t}\nrounds: [{kind: grpo}]\nrewards:\n  - " +
                 rewards + "\n");
  };
  EXPECT_THAT(fault("name: last_numbr"),
              HasSubstr("x.yaml:5: unknown reward 'last_numbr'; did you mean 'last_number'?"));
  EXPECT_THAT(
      fault("{name: last_number, options: {aftr: '='}}"),
      HasSubstr("x.yaml:5: reward 'last_number' has no option 'aftr'; did you mean 'after'?"));
  EXPECT_THAT(fault("{name: format, options: {pattern: '(a'}}"), HasSubstr("x.yaml:5: pattern"));
  EXPECT_EQ(fault("{name: custom, options: {path: built_later.so}}"), "(no error)")
      << "it may lie where the service runs";
}

TEST_F(RecipeTest, UpcyclingNeedsADenseModelAndAsManyExpertsAsATokenMeets) {
  EXPECT_EQ(FaultOfOverride("model.upcycle.experts=8"), "(no error)");
  EXPECT_THAT(FaultOfOverride("model.upcycle={experts: 4, top_k: 5}"),
              HasSubstr("model.upcycle.top_k is 5; must be at most experts (4)"));
  EXPECT_THAT(Fault(kGood, {"model.path=", "rollout.max_new_tokens=8", "model.scratch.layers=2",
                            "model.upcycle.experts=4"}),
              HasSubstr("model.upcycle needs model.path"));
  EXPECT_FALSE(Load(kGood).model().has_upcycle());
}

TEST_F(RecipeTest, AnAddressThatCannotBeOneIsNamed) {
  EXPECT_THAT(FaultOfOverride("rollout.addresses=[a:1, nope]"),
              HasSubstr("rollout.addresses has 'nope'; an address is HOST:PORT or unix:PATH"));
  EXPECT_THAT(FaultOfOverride("rollout.reward_addresses=['host:99999']"), HasSubstr("host:99999"));
  EXPECT_EQ(FaultOfOverride("rollout.addresses=['unix:/tmp/x']"), "(no error)");
}

TEST_F(RecipeTest, TheResolvedRecipeLoadsBackEqual) {
  const proto::Recipe recipe = Load(
      kGood,
      {"rewards[0].name=format", "rewards[0].options.pattern=a\"b\\n: #'", "rewards[0].weight=0.1",
       "rollout.addresses=['a:1', \"b:2\"]", "optimizer.epsilon=1e-12", "objective.clip_high=0.28",
       "data.instruction=two\nlines \xC3\xA9", "rounds[0].learning_rate=0.30000000000000004"});
  const std::string text = ResolvedYaml(recipe);
  const proto::Recipe back = Load(text);
  EXPECT_TRUE(MessageDifferencer::Equals(recipe, back)) << text;
  EXPECT_EQ(ResolvedYaml(back), text);
  EXPECT_THAT(text, HasSubstr("learning_rate: 0.30000000000000004\n"));
  EXPECT_THAT(text, HasSubstr("  - kind: \"sft\"\n    steps: 3\n"));
  EXPECT_THAT(text, HasSubstr("selection_bias_rate: 0.001\n")) << "defaults are printed";
  EXPECT_THAT(text, Not(HasSubstr("scratch")));
}

TEST_F(RecipeTest, ARecipeThatAProgramFillsInIsCompletedAndCheckedToo) {
  proto::Recipe recipe;
  recipe.set_name("good");
  recipe.mutable_model()->set_path("folder");
  recipe.mutable_data()->set_train("train.jsonl");
  recipe.add_rewards()->set_name("last_number");
  recipe.add_rounds()->set_kind(proto::ROUND_KIND_SFT);
  recipe.mutable_rounds(0)->set_steps(3);
  proto::RoundSpec* grpo = recipe.add_rounds();
  grpo->set_kind(proto::ROUND_KIND_GRPO);
  grpo->set_steps(5);
  grpo->set_learning_rate(1e-5);
  EXPECT_TRUE(MessageDifferencer::Equals(CompleteRecipe(recipe), Load(kGood)));

  grpo->set_group_size(1);
  const auto fault = [&] {
    try {
      CompleteRecipe(recipe);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      return std::string(error.what());
    }
    return std::string("(no error)");
  };
  EXPECT_THAT(fault(), testing::StartsWith("rounds[1].group_size is 1; must be at least 2"));
  recipe.set_threads(5000);
  recipe.mutable_rewards(0)->set_weight(-2000);
  EXPECT_EQ(fault(),
            "threads is 5000; must be between 0 and 1024\n"
            "rewards[0].weight is -2000; must be between -1000 and 1000");
}

TEST_F(RecipeTest, EveryRecipeOfTheProjectLoads) {
  int recipes = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(COHORT_SOURCE_DIR) + "/recipes")) {
    if (entry.path().extension() != ".yaml") continue;
    ++recipes;
    std::vector<std::string> overrides;
    std::ifstream in(entry.path());
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    if (text.find("generator:") == std::string::npos) overrides.push_back("data.train=train.jsonl");
    const proto::Recipe recipe = LoadRecipe(entry.path().string(), overrides);
    EXPECT_EQ(recipe.name(), entry.path().stem().string());
  }
  EXPECT_GE(recipes, 3);
}

TEST_F(RecipeTest, HostileYamlIsAnErrorAndNotACrash) {
  EXPECT_NE(Fault("a: &a [*a]\nrounds: *a\n"), "(no error)");
  EXPECT_NE(Fault(std::string(100'000, '[')), "(no error)");
  EXPECT_NE(Fault(std::string("name: \xff\xfe\0x\n", 12)), "(no error)");
  EXPECT_THAT(Fault(std::string(2'000'000, '#')), HasSubstr("2000000 bytes"));
}

TEST_F(RecipeTest, ThreadsAreDividedAmongTheProcessesOfAKind) {
  const proto::Recipe all = Load(kGood, {"rollout.workers=3", "rollout.reward_services=2"});
  proto::Recipe four = Load(kGood, {"threads=4", "rollout.workers=8"});
  four.mutable_rollout()->set_reward_services(0);
  unsetenv("OMP_NUM_THREADS");
  EXPECT_EQ(Describe(ThreadsOf(all, 8)),
            "learner 8, 3 workers of 2, 2 reward services of 4; 8 cores");
  EXPECT_EQ(Describe(ThreadsOf(four, 8)),
            "learner 4, 8 workers of 1, no local reward service; 8 cores");
  setenv("OMP_NUM_THREADS", "2,1", 1);
  EXPECT_EQ(ThreadsOf(all, 8).learner, 2);
  EXPECT_EQ(ThreadsOf(four, 8).learner, 4) << "the recipe says more";
  unsetenv("OMP_NUM_THREADS");
  EXPECT_GE(ThreadsOf(all).cores, 1);
}

}  // namespace
}  // namespace cohort::rl
