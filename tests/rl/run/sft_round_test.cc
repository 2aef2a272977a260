#include "rl/run/sft_round.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "policy/prompt_encoding.h"
#include "tests/rl/run/run_fixture.h"

namespace cohort::rl {
namespace {

using testing::DoubleNear;
using testing::SizeIs;

class SftRoundTest : public testing::Test {
 protected:
  base::TemporaryFolder folder_;
  RunFixture run_{folder_.path() / "run",
                  TinyRecipe("[{kind: sft, steps: 4, sequences_per_step: 3, learning_rate: 0.01, "
                             "schedule: linear}]")};
  SftRound round_{run_.context, run_.recipe.rounds(0)};
};

TEST_F(SftRoundTest, AStepTakesTheNextRowsPromptThenCompletion) {
  round_.Take();
  const StepWork work = round_.Take();
  ASSERT_THAT(work.sequences, SizeIs(3));
  EXPECT_EQ(run_.progress.data_cursor, 6u);
  const SharedProblem row = run_.problems.Train(3);
  std::vector<int32_t> ids = row->prompt_ids;
  for (const int32_t id : EncodeCompletion(run_.model, row->problem.completion)) ids.push_back(id);
  EXPECT_EQ(work.sequences[0].ids, ids);
  EXPECT_EQ(work.sequences[0].prompt_length, static_cast<int64_t>(row->prompt_ids.size()));
}

TEST_F(SftRoundTest, ADemonstrationThatIsTooLongIsCutOrLeftOutAndCounted) {
  for (const std::string overlong : {"cut", "drop"}) {
    RunFixture run{folder_.path() / overlong,
                   TinyRecipe("[{kind: sft, steps: 4, sequences_per_step: 3}]",
                              {"data.generator=word_problems", "model.scratch.context=400",
                               "data.overlong=" + overlong, "data.max_sequence_tokens=112"})};
    SftRound round{run.context, run.recipe.rounds(0)};
    testing::internal::CaptureStderr();
    int64_t changed = 0, cut = 0;
    for (int step = 0; step < 20; ++step) {
      const StepWork work = round.Take();
      EXPECT_THAT(work.sequences, SizeIs(3));
      for (const TrainingSequence& sequence : work.sequences) {
        EXPECT_LE(sequence.ids.size(), 112u);
        EXPECT_GT(sequence.completion_length(), 0);
      }
      const StepMetrics& metrics = work.record.metrics;
      changed +=
          metrics.cut_demonstrations.value_or(0) + metrics.dropped_demonstrations.value_or(0);
      cut += metrics.cut_demonstrations.value_or(0);
    }
    const std::string told = testing::internal::GetCapturedStderr();
    EXPECT_GT(changed, 0) << overlong;
    EXPECT_EQ(cut > 0, overlong == "cut");
    EXPECT_THAT(told, testing::HasSubstr("longer than 112 tokens"));
    EXPECT_EQ(told.find("longer than"), told.rfind("longer than")) << "told once";
  }
}

TEST_F(SftRoundTest, AnUpdateLowersTheLossOfWhatItLearnt) {
  const StepWork work = round_.Take();
  const double before = *round_.Update(work).metrics.loss;
  EXPECT_LT(*round_.Update(work).metrics.loss, before);
  EXPECT_EQ(run_.progress.policy_version, 3);
  EXPECT_EQ(run_.progress.updates_in_round, 2);
}

TEST_F(SftRoundTest, TheLearningRateFallsOverTheRoundsSteps) {
  run_.progress.updates_in_round = 1;
  EXPECT_THAT(*round_.Update(round_.Take()).metrics.learning_rate, DoubleNear(0.0075, 1e-12));
}

TEST_F(SftRoundTest, AStepHasTheFiguresThatTheTableNamesForItsRow) {
  const StepRecord record = round_.Update(round_.Take());
  // The rest is the run's to add, or belongs to policies with experts or further layers.
  const std::set<std::string> elsewhere = {"elapsed_s",          "phase",
                                           "busiest_expert",     "mtp_loss",
                                           "sampled_answers",    "good_answers",
                                           "kept_answers",       "dropped_demonstrations",
                                           "cut_demonstrations", "journal_dropped_steps",
                                           "memory_retries"};
  const nlohmann::json row = MetricsRow(record.metrics);
  for (const Figure& figure : Figures()) {
    const bool expected = (figure.uses & kSftRow) != 0 && !elsewhere.contains(figure.key);
    EXPECT_EQ(row.contains(figure.key), expected) << figure.key;
  }
}

}  // namespace
}  // namespace cohort::rl
