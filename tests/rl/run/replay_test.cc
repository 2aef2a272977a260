#include "rl/run/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rl/checkpoint/checkpoint.h"
#include "rl/journal/entry_reader.h"
#include "rl/journal/entry_writer.h"
#include "rl/journal/journal.h"
#include "rl/objectives/objective.h"
#include "rl/run/grpo_round.h"
#include "rl/run/recipe_adapter.h"
#include "rl/run/rejection_sft_round.h"
#include "rl/run/sft_round.h"
#include "rl/run/training_run.h"
#include "tests/rl/run/run_fixture.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kGrpo[] =
    "[{kind: grpo, steps: 4, prompts_per_step: 3, group_size: 4, updates_per_step: 2, "
    "learning_rate: 0.01}]";
constexpr char kMixed[] =
    "[{kind: sft, steps: 2, sequences_per_step: 4, learning_rate: 0.01}, "
    "{kind: grpo, steps: 2, prompts_per_step: 3, group_size: 4, learning_rate: 0.01}, "
    "{kind: rejection_sft, steps: 2, prompts_per_step: 2, group_size: 4, sequences_per_step: 2, "
    "learning_rate: 0.01}, "
    "{kind: grpo, steps: 2, prompts_per_step: 3, group_size: 4, learning_rate: 0.01}]";

class ReplayTest : public testing::Test {
 protected:
  // Trains, or goes on, with answers and rewards that depend on the sample alone.
  void Train(const proto::Recipe& recipe, bool with_changes = false) {
    RunFixture fixture(run_, recipe, {.with_changes = with_changes});
    if (recipe.lora().rank() > 0) {
      fixture.learner.TrainAdapters(RecipeAdapter(recipe, fixture.model.config)->config,
                                    recipe.seed());
    }
    fixture.script = [&](const EpisodeGroup&, size_t, Episode* episode) {
      const uint64_t id = episode->sample_id;
      episode->completion = std::to_string(id * 7919 % 1000);
      episode->completion_ids = fixture.Encode(episode->completion);
      for (size_t i = 0; i < episode->completion_ids.size(); ++i) {
        episode->rollout_logprobs.push_back(-5.5F - 0.1F * static_cast<float>((id + i) % 7));
      }
      episode->verdict = id % 11 == 3 ? FailedVerdict(reward::STATUS_TIMEOUT, "10 s")
                                      : Graded(static_cast<double>(id * id % 5) / 3);
    };
    const proto::Objective objective = ResolveObjective(recipe);
    RunParts parts;
    parts.make_round = [&](int index) -> std::unique_ptr<Round> {
      const proto::RoundSpec& spec = recipe.rounds(index);
      if (spec.kind() == proto::ROUND_KIND_SFT) {
        return std::make_unique<SftRound>(fixture.context, spec);
      }
      if (spec.kind() == proto::ROUND_KIND_REJECTION_SFT) {
        return std::make_unique<RejectionSftRound>(fixture.context, spec, index);
      }
      return std::make_unique<GrpoRound>(fixture.context, spec, objective);
    };
    parts.interrupted = [] { return false; };
    testing::internal::CaptureStderr();
    TrainingRun(fixture.context, parts).Run();
    testing::internal::GetCapturedStderr();
  }
  ReplayReport Replay(int64_t step) {
    said_.clear();
    return ReplayStep(run_, step, [&](const std::string& line) { said_ += line + "\n"; });
  }
  std::string Fault(int64_t step, ErrorCode code = ErrorCode::kEnvironment) {
    try {
      Replay(step);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      return error.what();
    }
    return "no error";
  }
  // The entry of a step with something in it altered.
  void Alter(int64_t step, const std::function<void(JournalEntry*)>& change) {
    const std::filesystem::path path = JournalFile(run_, step);
    JournalEntry entry = ReadEntry(path);
    change(&entry);
    CompressedFile file(path);
    WriteEntry(entry, &file);
    file.Commit();
  }
  void RemoveCheckpoints(int64_t from, int64_t to) {
    for (int64_t step = from; step <= to; ++step) {
      std::filesystem::remove_all(CheckpointFolder(run_, step));
    }
  }
  void ExpectEqual(const ReplayReport& report) {
    EXPECT_TRUE(report.equal()) << "step " << report.step;
    EXPECT_FALSE(report.diverged_at.has_value());
    EXPECT_THAT(report.figures, testing::Not(IsEmpty()));
    for (const ReplayedFigure& figure : report.figures) {
      EXPECT_TRUE(figure.equal()) << figure.name << " " << figure.recorded << " "
                                  << figure.recomputed;
    }
  }

  const base::TemporaryFolder folder_;
  const std::filesystem::path run_ = folder_.path() / "run";
  std::string said_;
};

// Recipes of every kind of step.
class ReplayedRunTest : public ReplayTest,
                        public testing::WithParamInterface<std::vector<std::string>> {};

TEST_P(ReplayedRunTest, AGrpoStepIsComputedAgainBitForBit) {
  Train(TinyRecipe(kGrpo, GetParam()));
  for (const int64_t step : {4, 2, 1}) {
    if (step == 2) RemoveCheckpoints(0, 3);  // from here on from the start of the run
    const ReplayReport report = Replay(step);
    ExpectEqual(report);
    EXPECT_EQ(report.samples, 12);
    EXPECT_GE(report.figures.size(), 4u) << "loss and norm of two updates";
    EXPECT_NE(report.figures.at(1).recomputed, 0) << report.figures.at(1).name;
    EXPECT_EQ(report.start, 0) << "output.checkpoint_every is 50";
    if (step == 4) {
      EXPECT_EQ(report.weights_equal, true);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ReplayedRunTest,
    testing::Values(std::vector<std::string>{},
                    std::vector<std::string>{"objective={preset: grpo}"},
                    std::vector<std::string>{"objective={preset: trl, is_correction: token}"},
                    std::vector<std::string>{"lora.rank=2", "lora.targets=[all-linear]",
                                             "objective={preset: grpo}"},
                    std::vector<std::string>{
                        "model.scratch.experts=4", "model.scratch.expert_width=8",
                        "model.scratch.layers=2", "rounds[0].selection_bias_rate=0.01",
                        "objective={preset: gspo, kl: k3, kl_coef: 0.1}"},
                    std::vector<std::string>{
                        "optimizer.max_tokens_per_microbatch=32", "rollout.temperature=0.7",
                        "rounds[0].freeze_router=true", "model.scratch.experts=4"}));

TEST_F(ReplayTest, StepsOfEveryKindAreReplayedFromTheCheckpointBeforeThem) {
  Train(TinyRecipe(kMixed,
                   {"output.checkpoint_every=1", "output.keep=3", "objective={preset: grpo}"}));
  const ReplayReport last = Replay(8);
  EXPECT_EQ(last.start, 7);
  EXPECT_EQ(last.kind, "grpo");
  EXPECT_EQ(last.weights_equal, true);
  ExpectEqual(last);
  EXPECT_THAT(said_, IsEmpty());
  for (const int64_t step : {1, 3, 6}) {  // demonstrations, the first of a round, demonstrations
    const ReplayReport report = Replay(step);
    EXPECT_EQ(report.start, 0);
    ExpectEqual(report);
    if (step > 1) {
      EXPECT_THAT(said_, HasSubstr("from the start of the run"));
    }
  }
}

TEST_F(ReplayTest, ARunThatWentOnWithChangesIsReplayedWithEachStepsOwnRecipe) {
  proto::Recipe recipe = TinyRecipe(kGrpo, {"rounds[0].steps=2"});
  Train(recipe);
  recipe.mutable_rounds(0)->set_steps(4);
  recipe.mutable_optimizer()->set_max_grad_norm(1e-3);
  recipe.mutable_rounds(0)->set_learning_rate(0.02);
  Train(recipe, /*with_changes=*/true);
  RemoveCheckpoints(0, 3);
  const ReplayReport report = Replay(4);
  ExpectEqual(report);
  EXPECT_EQ(report.start, 0);
  EXPECT_EQ(report.weights_equal, true);
}

TEST_F(ReplayTest, AnAlteredNumberIsFoundAndNamed) {
  Train(TinyRecipe(kGrpo));
  const auto altered = [&](const std::function<void(JournalEntry*)>& change) {
    const std::string whole = base::ReadFile(JournalFile(run_, 1));
    Alter(1, change);
    const ReplayReport report = Replay(1);
    EXPECT_FALSE(report.equal());
    base::WriteFileDurably(JournalFile(run_, 1), whole);
    std::string names;
    if (report.differing_advantage) names += report.differing_advantage->name + "; ";
    for (const ReplayedFigure& figure : report.figures) {
      if (!figure.equal()) names += figure.name + "; ";
    }
    return names;
  };
  EXPECT_THAT(
      altered([](JournalEntry* entry) { entry->groups[1].episodes[2].verdict.set_score(0.5); }),
      HasSubstr("advantage of sample 4; update 1: loss"));
  EXPECT_EQ(altered([](JournalEntry* entry) { *entry->advantages[0][0] += 1e-15; }),
            "advantage of sample 0; ");
  EXPECT_EQ(altered([](JournalEntry* entry) {
              double& loss = entry->updates[1].report.loss;
              loss = std::nextafter(loss, 1.0);
            }),
            "update 2: loss; ");
  EXPECT_EQ(altered([](JournalEntry* entry) { entry->updates[0].report.grad_norm *= 1.5; }),
            "update 1: gradient norm; ");
  EXPECT_THAT(altered([](JournalEntry* entry) {
                entry->groups[0].episodes[0].rollout_logprobs[0] += 0.25F;
              }),
              HasSubstr("update 1: logprob gap"));
  EXPECT_THAT(
      altered([](JournalEntry* entry) { entry->groups[0].episodes[0].completion_ids[0] += 1; }),
      HasSubstr("update 1: gradient norm; update 1: logprob gap; update 2: loss"));
  EXPECT_THAT(altered([](JournalEntry* entry) { entry->updates[0].learning_rate *= 2; }),
              HasSubstr("update 2: loss"));
  EXPECT_THAT(altered([](JournalEntry* entry) { entry->temperature = 0.9; }), HasSubstr("loss"));
  EXPECT_TRUE(Replay(1).equal());
}

TEST_F(ReplayTest, AnEarlierStepThatComesOutOtherwiseIsNamed) {
  Train(TinyRecipe(kGrpo));
  Alter(2, [](JournalEntry* entry) { entry->updates[0].learning_rate *= 2; });
  const ReplayReport report = Replay(4);
  EXPECT_FALSE(report.equal());
  EXPECT_EQ(report.diverged_at, 2);
  EXPECT_EQ(report.weights_equal, false);
  EXPECT_THAT(said_, HasSubstr("step 2 comes out otherwise than recorded"));
}

TEST_F(ReplayTest, AnEntryThatIsGoneOrNotWholeIsRefusedByName) {
  Train(TinyRecipe(kGrpo));
  EXPECT_THAT(Fault(5), HasSubstr("step 5 is not in the journal"));
  std::filesystem::copy(JournalFile(run_, 2), run_ / "kept");
  std::filesystem::remove(JournalFile(run_, 2));
  EXPECT_THAT(Fault(3), HasSubstr("step 2 is not in the journal")) << "it leads to step 3";
  std::filesystem::copy(JournalFile(run_, 1), JournalFile(run_, 2));
  EXPECT_THAT(Fault(3), HasSubstr("is the entry of step 1"));
  const auto put_back = [&] {
    std::filesystem::copy(run_ / "kept", JournalFile(run_, 2),
                          std::filesystem::copy_options::overwrite_existing);
  };
  put_back();
  Alter(2, [](JournalEntry* entry) { entry->mode = proto::Output::JOURNAL_GROUPS; });
  EXPECT_THAT(Fault(2), HasSubstr("step 2 was journalled with output.journal=groups"));
  put_back();
  Alter(2, [](JournalEntry* entry) { entry->groups[0].episodes[0].completion_ids[0] = 1'000'000; });
  EXPECT_THAT(Fault(2), HasSubstr("the entry of step 2 has a sequence"));
  base::WriteFileDurably(JournalFile(run_, 2), "not zstd");
  EXPECT_THAT(Fault(2), HasSubstr("step-00000002.jsonl.zst is damaged"));
  std::filesystem::remove_all(JournalFolder(run_));
  EXPECT_THAT(Fault(2), HasSubstr("run has no journal/"));
}

TEST_F(ReplayTest, AnotherPlatformIsSaidByName) {
  Train(TinyRecipe(kGrpo));
  Alter(1, [](JournalEntry* entry) { entry->platform.processor = "Z80"; });
  const ReplayReport report = Replay(1);
  EXPECT_THAT(report.platform_changes,
              testing::ElementsAre("processor: Z80, here " + ThisProcessor()));
  EXPECT_THAT(said_, HasSubstr("its bits may differ (processor: Z80"));
}

}  // namespace
}  // namespace cohort::rl
