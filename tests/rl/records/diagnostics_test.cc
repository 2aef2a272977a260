#include "rl/records/diagnostics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cohort::rl {
namespace {

using testing::HasSubstr;
using testing::Not;

const DiagnosticSettings kSettings{8, 64, 1};

StepMetrics Healthy() {
  StepMetrics s;
  s.step = 12;
  s.groups = 32;
  s.zero_variance_groups = 31;
  s.all_wrong_groups = 24;
  s.all_right_groups = 7;
  s.samples = 100;
  s.truncated_samples = 30;
  s.failed_rewards = 1;
  return s;
}

TEST(Diagnostics, AStepThatLearnsNeedsNone) {
  EXPECT_TRUE(Diagnose(Healthy(), kSettings).empty());
  EXPECT_TRUE(Diagnose({}, kSettings).empty()) << "an sft step has no groups";
}

TEST(Diagnostics, AFlatStepSaysWhyAndWhatToTry) {
  StepMetrics s = Healthy();
  s.zero_variance_groups = 32;
  s.all_right_groups = 8;
  const auto wrong = Diagnose(s, kSettings);
  ASSERT_EQ(wrong.size(), 1u);
  EXPECT_THAT(wrong[0],
              HasSubstr("step 12: 32/32 groups had equal rewards (24 all wrong, 8 all right)"));
  EXPECT_THAT(wrong[0], HasSubstr("easier prompts"));
  std::swap(s.all_right_groups, s.all_wrong_groups);
  EXPECT_THAT(Diagnose(s, kSettings)[0], HasSubstr("harder prompts"));
}

TEST(Diagnostics, ManyCutCompletionsAreTold) {
  StepMetrics s = Healthy();
  s.truncated_samples = 31;
  const auto found = Diagnose(s, kSettings);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0],
              HasSubstr("31 % of the completions were cut at rollout.max_new_tokens (64)"));
}

TEST(Diagnostics, FailedRewardsAreToldElsewhere) {
  StepMetrics s = Healthy();
  s.failed_rewards = 50;
  EXPECT_TRUE(Diagnose(s, kSettings).empty());
}

TEST(Diagnostics, EnginesThatDisagreeAreNamedWithTheWaysOut) {
  StepMetrics metrics;
  metrics.groups = 4;
  metrics.logprob_gap_mean = 0.019;
  EXPECT_TRUE(Diagnose(metrics, kSettings).empty());
  metrics.logprob_gap_mean = 0.25;
  const auto found = Diagnose(metrics, kSettings);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("0.250 nats"), std::string::npos) << found[0];
  EXPECT_NE(found[0].find("rollout.dtype=float32"), std::string::npos) << found[0];
}

TEST(Diagnostics, EnginesThatDisagreeAreAdvisedOnlyWhatIsNotYetSo) {
  StepMetrics metrics;
  metrics.logprob_gap_mean = 0.25;
  const auto advice = [&](bool float32, bool corrects, int64_t boundary) {
    DiagnosticSettings settings = kSettings;
    settings.float32_rollouts = float32;
    settings.corrects_tokens = corrects;
    settings.rope_boundary = boundary;
    return Diagnose(metrics, settings).at(0);
  };
  const std::string dtype = "rollout.dtype=float32", correction = "objective.is_correction=token";
  EXPECT_THAT(advice(false, false, 0), HasSubstr("Use " + dtype + ", or " + correction));
  EXPECT_THAT(advice(false, true, 0),
              testing::AllOf(HasSubstr("Use " + dtype), Not(HasSubstr(correction))));
  EXPECT_THAT(advice(true, false, 0),
              testing::AllOf(HasSubstr("Use " + correction), Not(HasSubstr(dtype))));
  EXPECT_THAT(advice(true, true, 0),
              testing::AllOf(Not(HasSubstr("Use ")), HasSubstr("cohort score")));
  const std::string crossing = "A sequence that grows beyond 32 tokens has another rope";
  EXPECT_THAT(advice(true, true, 32), testing::AllOf(Not(HasSubstr("Use ")), HasSubstr(crossing)));
  EXPECT_THAT(advice(false, false, 32), testing::AllOf(HasSubstr("Use "), HasSubstr(crossing)));
}

TEST(DivergenceAlarm, FiveStepsInARowWithoutAFiniteGradientAreADivergence) {
  using State = DivergenceAlarm::State;
  StepMetrics skipped, fine;
  skipped.skipped_updates = 1;
  fine.skipped_updates = 0;
  DivergenceAlarm alarm;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(alarm.Observe(skipped), State::kSuspicious);
  EXPECT_EQ(alarm.Observe(fine), State::kQuiet) << "four are none";
  for (int i = 0; i < 4; ++i) EXPECT_EQ(alarm.Observe(skipped), State::kSuspicious);
  EXPECT_EQ(alarm.Observe(skipped), State::kDiverged);
}

TEST(DivergenceAlarm, ThreeLossesInARowFarAboveTheRoundsAreADivergence) {
  using State = DivergenceAlarm::State;
  StepMetrics fine, high;
  fine.loss = 0.5;
  high.loss = 3.1;  // 4 x 0.5 + 1 and a little
  DivergenceAlarm alarm;
  EXPECT_EQ(alarm.Observe(high), State::kQuiet) << "where a round begins is not known to be high";
  alarm.BeginRound();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(alarm.Observe(fine), State::kQuiet);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(alarm.Observe(high), State::kSuspicious);
  EXPECT_EQ(alarm.Observe(fine), State::kQuiet) << "two are none";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(alarm.Observe(high), State::kSuspicious);
  EXPECT_EQ(alarm.Observe(high), State::kDiverged);
  EXPECT_THAT(alarm.reason(), HasSubstr("the loss is 3.1, where it was 0.5"));
}

TEST(DivergenceAlarm, APolicyThatLeavesItsReferenceIsADivergence) {
  using State = DivergenceAlarm::State;
  StepMetrics away;
  away.groups = 4;
  away.loss = 1e6;  // of a grpo round: says nothing
  away.kl = 2.9;
  DivergenceAlarm alarm;
  for (int i = 0; i < 9; ++i) EXPECT_EQ(alarm.Observe(away), State::kQuiet);
  away.kl = 3.1;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(alarm.Observe(away), State::kSuspicious);
  EXPECT_EQ(alarm.Observe(away), State::kDiverged);
}

}  // namespace
}  // namespace cohort::rl
