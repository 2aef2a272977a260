#include "rl/evaluation/evaluation.h"

#include <gtest/gtest.h>

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
  const Evaluation evaluation = Evaluate(rollouts, {problems, {}, /*num_examples=*/2});
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
  const Evaluation evaluation = Evaluate(rollouts, {problems, {}, 0, /*samples_per_problem=*/3});
  EXPECT_EQ(ids, (std::vector<uint64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(evaluation.problems, 6);
}

}  // namespace
}  // namespace cohort::rl
