#include "rl/records/diagnostics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cohort::rl {
namespace {

using testing::HasSubstr;

StepSymptoms Healthy() {
  StepSymptoms s;
  s.step = 12;
  s.groups = 32;
  s.zero_variance_groups = 31;
  s.all_wrong_groups = 24;
  s.all_right_groups = 7;
  s.samples = 100;
  s.truncated_samples = 30;
  s.failed_rewards = 1;
  s.group_size = 8;
  s.max_new_tokens = 64;
  return s;
}

TEST(Explanations, AStepThatLearnsNeedsNone) {
  EXPECT_TRUE(ExplainSymptoms(Healthy()).empty());
  EXPECT_TRUE(ExplainSymptoms({}).empty()) << "an sft step has no groups";
}

TEST(Explanations, AFlatStepSaysWhyAndWhatToTry) {
  StepSymptoms s = Healthy();
  s.zero_variance_groups = 32;
  s.all_right_groups = 8;
  const auto wrong = ExplainSymptoms(s);
  ASSERT_EQ(wrong.size(), 1u);
  EXPECT_THAT(wrong[0],
              HasSubstr("step 12: 32/32 groups had equal rewards (24 all wrong, 8 all right)"));
  EXPECT_THAT(wrong[0], HasSubstr("easier prompts"));
  std::swap(s.all_right_groups, s.all_wrong_groups);
  EXPECT_THAT(ExplainSymptoms(s)[0], HasSubstr("harder prompts"));
}

TEST(Explanations, ManyCutCompletionsAreTold) {
  StepSymptoms s = Healthy();
  s.truncated_samples = 31;
  const auto found = ExplainSymptoms(s);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0],
              HasSubstr("31 % of the completions were cut at rollout.max_new_tokens (64)"));
}

TEST(Explanations, FailedRewardsAreToldAndNotCalledWrong) {
  StepSymptoms s = Healthy();
  s.failed_rewards = 2;
  const auto found = ExplainSymptoms(s);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0], HasSubstr("failed on 2 of 100 samples (2.0 %); they are left out"));
}

TEST(Explanations, EnginesThatDisagreeAreNamedWithTheWaysOut) {
  StepSymptoms symptoms;
  symptoms.groups = 4;
  symptoms.logprob_gap_mean = 0.019;
  EXPECT_TRUE(ExplainSymptoms(symptoms).empty());
  symptoms.logprob_gap_mean = 0.25;
  const auto found = ExplainSymptoms(symptoms);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("0.250 nats"), std::string::npos) << found[0];
  EXPECT_NE(found[0].find("rollout.dtype=float32"), std::string::npos) << found[0];
}

}  // namespace
}  // namespace cohort::rl
