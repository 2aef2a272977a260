#include "rl/checkpoint/run_folder.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "rl/checkpoint/resume_rule.h"
#include "rl/recipe/recipe.h"

namespace cohort::rl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class RunFolderTest : public testing::Test {
 protected:
  proto::Recipe Recipe(const std::vector<std::string>& overrides = {}) {
    return LoadRecipe(folder_.Write("r.yaml",
                                    "name: r\nmodel: {path: m}\ndata: {generator: addition}\n"
                                    "rewards: [{name: exact_answer}]\n"
                                    "rounds: [{kind: sft, steps: 3}, {kind: grpo, steps: 5}]\n"),
                      overrides);
  }
  std::string Fault(const proto::Recipe& recipe, bool fresh = false) {
    try {
      RunFolder run(run_, recipe, {.fresh = fresh, .with_changes = with_changes_});
    } catch (const Error& error) {
      code_ = error.code();
      hint_ = error.hint();
      return error.what();
    }
    return "(no error)";
  }
  void StartRun(const std::vector<std::string>& overrides = {}) {
    RunFolder run(run_, Recipe(overrides), {});
    run.Describe(Recipe(overrides), {"cohort", "train", "r.yaml"});
    fs::create_directory(run_ / "checkpoints");  // as the first save does
  }
  json Provenance() { return json::parse(base::ReadFile(run_ / "provenance.json")); }

  base::TemporaryFolder folder_;
  fs::path run_ = folder_.path() / "runs" / "r";
  bool with_changes_ = false;
  std::string hint_;
  ErrorCode code_ = ErrorCode::kInternal;
};

TEST_F(RunFolderTest, ANewRunDescribesItself) {
  {
    RunFolder run(run_, Recipe(), {});
    EXPECT_FALSE(run.resuming());
    run.Describe(Recipe({"seed=5", "threads=2"}), {"cohort", "train"});
  }
  const proto::Recipe written = LoadRecipe((run_ / "recipe.resolved.yaml").string());
  EXPECT_TRUE(
      google::protobuf::util::MessageDifferencer::Equals(written, Recipe({"seed=5", "threads=2"})));
  const json provenance = Provenance();
  EXPECT_EQ(provenance.at("seed"), 5);
  EXPECT_EQ(provenance.at("threads"), 2);
  const std::string budget = provenance.at("thread_budget");
  EXPECT_TRUE(budget.starts_with("learner 2, 1 worker of 2, 1 reward service of 2; ")) << budget;
  EXPECT_EQ(provenance.at("command_line").dump(), R"(["cohort","train"])");
  for (const char* key : {"version", "build_type", "libtorch", "started_at"}) {
    EXPECT_FALSE(provenance.at(key).get<std::string>().empty()) << key;
  }
}

TEST_F(RunFolderTest, ASecondStartGoesOn) {
  StartRun();
  RunFolder run(run_.string() + "/", Recipe(), {});
  EXPECT_TRUE(run.resuming());
  run.Describe(Recipe(), {"cohort", "again"});
  EXPECT_EQ(Provenance().at("command_line").at(1), "train") << "the first start stays";
  ASSERT_EQ(Provenance().at("resumed").size(), 1u);
  EXPECT_EQ(Provenance().at("resumed").at(0).at("command_line").at(1), "again");
}

TEST_F(RunFolderTest, TwoRunsInOneFolderAreRefused) {
  std::optional<RunFolder> first(std::in_place, run_, Recipe(), ResumeOptions{});
  EXPECT_THAT(Fault(Recipe()), HasSubstr("another cohort process is using " + run_.string()));
  EXPECT_EQ(code_, ErrorCode::kEnvironment);
  EXPECT_THAT(Fault(Recipe(), true), HasSubstr("another cohort process")) << "nor moved away";
  first.reset();
  EXPECT_EQ(Fault(Recipe()), "(no error)") << "the lock ends with its owner";
}

TEST_F(RunFolderTest, AChangedRecipeIsRefusedAndTheKeysAreNamed) {
  StartRun();
  EXPECT_THAT(Fault(Recipe({"rounds[0].learning_rate=0.5", "seed=2"})),
              HasSubstr("holds a run of another recipe:\n"
                        "  seed: 1 -> 2\n"
                        "  rounds[0].learning_rate: 1e-06 -> 0.5"));
  EXPECT_EQ(code_, ErrorCode::kUsage);
  EXPECT_EQ(Fault(Recipe({"output.keep=9", "rounds[1].steps=50"})), "(no error)");
}

TEST_F(RunFolderTest, AStartThatNeverSavedAnythingBindsNobody) {
  StartRun();
  fs::remove(run_ / "checkpoints");
  RunFolder run(run_, Recipe({"seed=2"}), {});
  EXPECT_FALSE(run.resuming());
}

TEST_F(RunFolderTest, FreshMovesTheOldRunAside) {
  for (int i = 1; i <= 2; ++i) {
    StartRun();
    RunFolder run(run_, Recipe({"seed=2"}), {.fresh = true});
    EXPECT_FALSE(run.resuming());
    EXPECT_EQ(run.moved_to(), run_.string() + ".old-" + std::to_string(i));
    EXPECT_TRUE(fs::exists(run.moved_to() + "/provenance.json"));
    EXPECT_FALSE(fs::exists(run_ / "provenance.json"));
  }
}

TEST_F(RunFolderTest, AFolderOfSomethingElseIsLeftAlone) {
  fs::create_directories(run_);
  std::ofstream(run_ / "thesis.tex") << "precious";
  EXPECT_THAT(Fault(Recipe()), HasSubstr("holds files but no run"));
  EXPECT_THAT(Fault(Recipe(), true), HasSubstr("holds files but no run"));
  EXPECT_TRUE(fs::exists(run_ / "thesis.tex"));
}

TEST_F(RunFolderTest, AFileInItsPlaceIsAClearError) {
  fs::create_directories(run_.parent_path());
  std::ofstream(run_.string()) << "x";
  EXPECT_THAT(Fault(Recipe()), HasSubstr("cannot create the run folder"));
  EXPECT_EQ(code_, ErrorCode::kEnvironment);
}

TEST_F(RunFolderTest, AStartThatDiedBeforeItDescribedItselfIsNoObstacle) {
  fs::create_directories(run_);
  std::ofstream(run_ / "recipe.resolved.yaml.tmp") << "half";
  RunFolder run(run_, Recipe(), {});
  EXPECT_FALSE(run.resuming());
}

TEST_F(RunFolderTest, OnlyExtensionsOfTheEndMayChangeWhatIsTrained) {
  const proto::Recipe old_recipe = Recipe();
  const auto refused = [&](const std::vector<std::string>& overrides) {
    return ChangesOf(old_recipe, Recipe(overrides)).refused;
  };
  EXPECT_THAT(refused({"rounds[2].kind=sft", "rounds[1].steps=6"}), ElementsAre());
  EXPECT_THAT(refused({"rounds[1].steps=4"}), ElementsAre("rounds[1].steps: 5 -> 4"));
  EXPECT_THAT(refused({"rounds[0].steps=4"}), ElementsAre("rounds[0].steps: 3 -> 4"));
  EXPECT_THAT(refused({"rollout.workers=2", "eval.examples=1", "output.samples_every=1"}),
              ElementsAre());
  EXPECT_THAT(refused({"objective.clip_low=0.1"}),
              ElementsAre("objective.clip_low: (unset) -> 0.1"));
  EXPECT_FALSE(ChangesOf(Recipe({"rounds[2].kind=sft"}), old_recipe).refused.empty())
      << "rounds do not disappear";
}

TEST_F(RunFolderTest, ALearningRateAScheduleOrAWeightMayChangeOnRequestAndIsWrittenDown) {
  StartRun();
  const proto::Recipe changed =
      Recipe({"rounds[1].learning_rate=0.5", "rounds[0].schedule=cosine", "rewards[0].weight=2"});
  EXPECT_THAT(Fault(changed), HasSubstr("rounds[1].learning_rate: 1e-06 -> 0.5"));
  EXPECT_THAT(hint_, HasSubstr("--resume-with-changes goes on with them"));
  with_changes_ = true;
  EXPECT_THAT(Fault(Recipe({"rounds[1].learning_rate=0.5", "seed=2"})), HasSubstr("seed: 1 -> 2"));
  EXPECT_THAT(hint_, testing::Not(HasSubstr("--resume-with-changes")));
  RunFolder run(run_, changed, {.with_changes = true});
  EXPECT_THAT(run.changes(), testing::UnorderedElementsAre("rounds[1].learning_rate: 1e-06 -> 0.5",
                                                           "rounds[0].schedule: constant -> cosine",
                                                           "rewards[0].weight: 1 -> 2"));
  run.Describe(changed, {"cohort"});
  EXPECT_EQ(Provenance().at("resumed").at(0).at("changes").size(), 3u);
}

TEST_F(RunFolderTest, TheMomentsDtypeMayChangeOnRequestAndIsSinglePrecisionInARecipeWithoutIt) {
  StartRun();
  const fs::path resolved = run_ / "recipe.resolved.yaml";
  const std::regex line(R"(\n *moments: [^\n]*)");
  const std::string text = base::ReadFile(resolved);
  ASSERT_TRUE(std::regex_search(text, line));
  std::ofstream(resolved) << std::regex_replace(text, line, "");
  EXPECT_EQ(Fault(Recipe()), "(no error)");
  const proto::Recipe in_bf16 = Recipe({"optimizer.moments=bfloat16"});
  EXPECT_THAT(Fault(in_bf16), HasSubstr("optimizer.moments: float32 -> bfloat16"));
  EXPECT_THAT(hint_, HasSubstr("--resume-with-changes goes on with them"));
  with_changes_ = true;
  EXPECT_EQ(Fault(in_bf16), "(no error)");
}

TEST_F(RunFolderTest, MastersMayGoOnRequestAndAreThereInARecipeWithoutTheKey) {
  StartRun();
  EXPECT_EQ(Provenance().at("master_weights"), true);
  const fs::path resolved = run_ / "recipe.resolved.yaml";
  const std::regex line(R"(\n *masters: [^\n]*)");
  const std::string text = base::ReadFile(resolved);
  ASSERT_TRUE(std::regex_search(text, line));
  std::ofstream(resolved) << std::regex_replace(text, line, "");
  EXPECT_EQ(Fault(Recipe()), "(no error)");
  const proto::Recipe without = Recipe({"optimizer.masters=false"});
  EXPECT_THAT(Fault(without), HasSubstr("optimizer.masters: true -> false"));
  EXPECT_THAT(hint_, HasSubstr("--resume-with-changes goes on with them"));
  with_changes_ = true;
  EXPECT_EQ(Fault(without), "(no error)");
}

TEST_F(RunFolderTest, ChangedDataIsRefusedByName) {
  const std::string data = folder_.Write("train.jsonl", "{}\n");
  const std::string judge = folder_.Write("judge.py", "def reward(completion): return 0\n");
  const std::vector<std::string> overrides = {"data.generator=", "data.train=" + data,
                                              "rewards[0].name=python",
                                              "rewards[0].options.path=" + judge};
  StartRun(overrides);
  EXPECT_EQ(Fault(Recipe(overrides)), "(no error)");
  folder_.Write("judge.py", "def reward(completion): return 1\n");
  EXPECT_THAT(Fault(Recipe(overrides)), HasSubstr("rewards[0].path (judge.py)"));
  EXPECT_THAT(hint_, HasSubstr("--resume-with-changes goes on with them"));
  with_changes_ = true;
  EXPECT_EQ(Fault(Recipe(overrides)), "(no error)");
  folder_.Write("train.jsonl", "{ }\n");
  EXPECT_THAT(Fault(Recipe(overrides)), HasSubstr("data.train (train.jsonl)"));
}

TEST_F(RunFolderTest, LostCheckpointsAreNotAFreshStart) {
  StartRun();
  std::ofstream(run_ / "metrics.jsonl") << "{\"step\":0,\"phase\":\"eval\"}\n";
  EXPECT_EQ(Fault(Recipe()), "(no error)") << "killed in its first save";
  std::ofstream(run_ / "metrics.jsonl", std::ios::app) << "{\"step\":1}\n";
  EXPECT_THAT(Fault(Recipe()), HasSubstr("holds the steps of a run and none of its checkpoints"));
  EXPECT_EQ(code_, ErrorCode::kEnvironment);
  fs::remove(run_ / "checkpoints");
  EXPECT_THAT(Fault(Recipe()), HasSubstr("none of its checkpoints"));
  EXPECT_EQ(Fault(Recipe(), /*fresh=*/true), "(no error)");
}

TEST_F(RunFolderTest, AStartThatDiedBetweenItsTwoDescriptionsIsNoObstacle) {
  fs::create_directories(run_);
  std::ofstream(run_ / "provenance.json") << "{}";
  EXPECT_EQ(Fault(Recipe()), "(no error)");
}

TEST_F(RunFolderTest, ANewerCheckpointOfTheRunThatItStartsFromIsAChangedInput) {
  const fs::path other = folder_.path() / "other";
  const auto write_checkpoint = [&](const std::string& step) {
    const fs::path folder = other / "checkpoints" / step;
    fs::create_directories(folder / "model");
    for (const char* file : {"state.json", "manifest.json"}) std::ofstream(folder / file) << "{}";
    std::ofstream(folder / "model/config.json") << step;
  };
  proto::Recipe recipe = Recipe();
  recipe.mutable_model()->set_path(other.string());
  write_checkpoint("step-9");
  const InputChecksums before = ChecksumInputs(recipe);
  write_checkpoint("step-10");
  EXPECT_THAT(ChangedInputs(before, ChecksumInputs(recipe)),
              ElementsAre("model.path (config.json)"));
}

TEST_F(RunFolderTest, ARunOfAnotherProcessorSaysSo) {
  StartRun();
  json provenance = Provenance();
  EXPECT_EQ(RunFolder(run_, Recipe(), {}).other_processor(), "");
  provenance["processor"] = "Z80";
  std::ofstream(run_ / "provenance.json") << provenance;
  EXPECT_EQ(RunFolder(run_, Recipe(), {}).other_processor(), "Z80");
}

TEST_F(RunFolderTest, ARunInAnotherClassOfProductsSaysSo) {
  StartRun();
  json provenance = Provenance();
  EXPECT_EQ(provenance.at("numerics"), "fp32");
  EXPECT_EQ(RunFolder(run_, Recipe(), {}).other_numerics(Recipe()), "");
  provenance["numerics"] = "bf16-amx";
  std::ofstream(run_ / "provenance.json") << provenance;
  EXPECT_EQ(RunFolder(run_, Recipe(), {}).other_numerics(Recipe()), "bf16-amx");
}

}  // namespace
}  // namespace cohort::rl
