#include "rl/evaluation/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/fakes/fake_rollouts.h"

namespace cohort::rl {
namespace {

std::vector<SharedProblem> Problems(int count) {
  std::vector<SharedProblem> problems;
  for (int i = 0; i < count; ++i) {
    Problem problem;
    problem.prompt = "p" + std::to_string(i);
    problem.answer = std::to_string(i);
    problems.push_back(
        std::make_shared<const EncodedProblem>(EncodedProblem{std::move(problem), {1}, "{}"}));
  }
  return problems;
}

TEST(Evaluate, AccuracyIsTheShareOfRightSamplesAmongTheJudgedOnes) {
  FakeRollouts rollouts([](const EpisodeGroup& group, Episode* episode) {
    episode->completion = "c" + group.problem->problem.answer;
    episode->completion_ids = {1, 2, 3};
    const uint64_t i = group.group_id;
    episode->verdict = i == 0   ? Graded(1)
                       : i == 1 ? Graded(0)
                       : i == 2 ? Graded(0.5)
                                : FailedVerdict(reward::STATUS_TIMEOUT, "too slow");
    if (i == 1) episode->finish_reason = rollout::FinishReason::kLength;
  });
  const std::vector<SharedProblem> problems = Problems(4);
  const Evaluation evaluation =
      Evaluate(rollouts, {problems, {}, /*reward=*/"", /*num_examples=*/2});
  EXPECT_EQ(evaluation.problems, 3);
  EXPECT_EQ(evaluation.failed, 1);
  EXPECT_DOUBLE_EQ(evaluation.accuracy, 1.0 / 3);
  EXPECT_DOUBLE_EQ(evaluation.completion_tokens, 3);
  EXPECT_DOUBLE_EQ(evaluation.truncated, 0.25);
  ASSERT_EQ(evaluation.examples.size(), 2u);
  EXPECT_EQ(evaluation.examples[0].completion, "c0");
  EXPECT_TRUE(evaluation.examples[0].correct);
  EXPECT_FALSE(evaluation.examples[1].correct);
  EXPECT_EQ(evaluation.outcomes[3][0].detail(), "TIMEOUT: too slow");
}

TEST(Evaluate, AFailureOfTheGraderIsNeitherRightNorWrong) {
  FakeRollouts rollouts([](const EpisodeGroup&, Episode* episode) {
    episode->verdict = FailedVerdict(reward::STATUS_CRASH, "died");
  });
  const std::vector<SharedProblem> problems = Problems(2);
  const Evaluation evaluation = Evaluate(rollouts, {problems, {}});
  EXPECT_EQ(evaluation.problems, 0);
  EXPECT_EQ(evaluation.failed, 2);
  EXPECT_EQ(evaluation.accuracy, 0);
}

TEST(Evaluate, EverySampleOfAProblemHasAnIdOfItsOwn) {
  std::vector<uint64_t> ids;
  FakeRollouts rollouts([&](const EpisodeGroup&, Episode* episode) {
    ids.push_back(episode->sample_id);
    episode->verdict = Graded(1);
  });
  const std::vector<SharedProblem> problems = Problems(2);
  const Evaluation evaluation =
      Evaluate(rollouts, {problems, {}, "", 0, /*samples_per_problem=*/3});
  EXPECT_EQ(ids, (std::vector<uint64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(evaluation.problems, 6);
}

TEST(Evaluate, TheRewardThatDecidesNeedNotStandFirstAndEveryComponentIsReported) {
  FakeRollouts rollouts([](const EpisodeGroup& group, Episode* episode) {
    episode->verdict = Graded(1);
    episode->verdict.mutable_components(0)->set_name("format");
    reward::Component& answer = *episode->verdict.add_components();
    answer.set_name("math");
    answer.set_status(reward::STATUS_OK);
    answer.set_score(group.group_id == 0 ? 1 : 0);
  });
  const std::vector<SharedProblem> problems = Problems(4);
  const Evaluation evaluation = Evaluate(rollouts, {problems, {}, "math"});
  EXPECT_DOUBLE_EQ(evaluation.accuracy, 0.25);
  EXPECT_EQ(evaluation.reward, "math");
  EXPECT_DOUBLE_EQ(evaluation.components.at("format").mean(), 1);
  EXPECT_DOUBLE_EQ(evaluation.components.at("math").mean(), 0.25);
  EXPECT_DOUBLE_EQ(evaluation.components.at("math").deviation(), std::sqrt(3.0) / 4);
  // Wilson's interval of 1 out of 4.
  EXPECT_NEAR(evaluation.interval.low, 0.0456, 1e-4);
  EXPECT_NEAR(evaluation.interval.high, 0.6994, 1e-4);
}

TEST(DecidingReward, IsTheFirstThatJudgesAnswersUnlessTheRecipeNamesOne) {
  proto::Recipe recipe;
  EXPECT_EQ(DecidingReward(recipe), "");
  recipe.add_rewards()->set_name("format");
  EXPECT_EQ(DecidingReward(recipe), "format");
  recipe.add_rewards()->set_name("math");
  EXPECT_EQ(DecidingReward(recipe), "math");
  recipe.mutable_eval()->set_reward("format");
  EXPECT_EQ(DecidingReward(recipe), "format");
}

}  // namespace
}  // namespace cohort::rl
