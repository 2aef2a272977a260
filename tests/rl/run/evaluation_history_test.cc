#include "rl/run/evaluation_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cohort::rl {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

Evaluation Accuracy(double accuracy, const std::string& completion) {
  Evaluation evaluation;
  evaluation.problems = 1;
  evaluation.accuracy = accuracy;
  evaluation.examples = {{"1+1=", "2", completion, completion == "2"}};
  return evaluation;
}

TEST(EvaluationHistory, ShowsEveryAccuracyAndTheFirstAnswersBesideTheLast) {
  EvaluationHistory history;
  history.Add("start", 0, Accuracy(0, "9"));
  history.Add("round 1 (sft)", 5, Accuracy(0.5, "3"));
  history.Add("round 2 (grpo)", 9, Accuracy(1, "2"));
  EXPECT_THAT(history.AccuracyLines(),
              ElementsAre("  start                      0.0%", "  round 1 (sft)             50.0%",
                          "  round 2 (grpo)           100.0%"));
  ASSERT_THAT(history.BeforeAfterRows(), SizeIs(1));
  const BeforeAfterRow row = history.BeforeAfterRows()[0];
  EXPECT_EQ(row.before, "9");
  EXPECT_EQ(row.after, "2");
  EXPECT_FALSE(row.before_correct);
  EXPECT_TRUE(row.after_correct);
  EXPECT_EQ(history.ExamplePrompt(), "1+1=");
}

TEST(EvaluationHistory, GoesThroughACheckpoint) {
  EvaluationHistory history;
  history.Add("start", 0, Accuracy(0, "9"));
  nlohmann::json scalars = {{"progress", 1}};
  history.AddTo(&scalars);
  EvaluationHistory resumed;
  resumed.LoadFrom(nlohmann::json::parse(scalars.dump()));
  resumed.Add("round 1 (sft)", 5, Accuracy(1, "2"));
  EXPECT_THAT(resumed.AccuracyLines(), SizeIs(2));
  EXPECT_EQ(resumed.BeforeAfterRows().at(0).before, "9");
}

TEST(EvaluationHistory, WithoutAnEvaluationThereIsNothingToShow) {
  EXPECT_TRUE(EvaluationHistory().BeforeAfterRows().empty());
  EXPECT_EQ(EvaluationHistory().ExamplePrompt(), "");
}

}  // namespace
}  // namespace cohort::rl
