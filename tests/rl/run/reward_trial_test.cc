#include "rl/run/reward_trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/rl/run/run_fixture.h"

namespace cohort::rl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RewardTrialTest : public testing::Test {
 protected:
  RewardTrialTest() : run_(folder_.path() / "run", TinyRecipe("[{kind: grpo, steps: 1}]")) {}

  // Judges what is posed by `fails`, and keeps it.
  std::vector<RewardFailure> Try(std::function<bool(const Problem&, const std::string&)> fails) {
    run_.script = [this, fails](const EpisodeGroup& group, size_t, Episode* episode) {
      const Problem& problem = group.problem->problem;
      posed_.push_back(episode->completion);
      rows_.insert(problem.prompt);
      episode->verdict = fails(problem, episode->completion)
                             ? FailedVerdict(reward::STATUS_ERROR, "judge.py:3: NameError")
                             : Graded(0);
    };
    return TryRewards(run_.rollouts, run_.model, run_.problems);
  }
  std::string Fault(const std::vector<RewardFailure>& failures) {
    testing::internal::CaptureStderr();
    std::string fault;
    try {
      CheckRewards(failures, run_.console);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
      fault = error.what();
    }
    told_ = testing::internal::GetCapturedStderr();
    return fault;
  }

  base::TemporaryFolder folder_;
  RunFixture run_;
  std::vector<std::string> posed_;
  std::set<std::string> rows_;
  std::string told_;
};

TEST_F(RewardTrialTest, TwoRowsArePosedOnceAndALowScoreIsNoFailure) {
  const auto failures = Try([](const Problem&, const std::string&) { return false; });
  EXPECT_THAT(failures, IsEmpty());
  EXPECT_EQ(Fault(failures), "");
  EXPECT_EQ(told_, "");
  const SharedProblem first = run_.problems.Train(0), second = run_.problems.Train(1);
  EXPECT_THAT(posed_, ElementsAre(first->problem.completion, second->problem.completion))
      << "their demonstrations";
}

TEST_F(RewardTrialTest, ARewardThatFailsOnEveryRowIsAnErrorWithItsReason) {
  const auto failures = Try([](const Problem&, const std::string&) { return true; });
  EXPECT_EQ(rows_.size(), 8u) << "more than two rows before a run is refused";
  EXPECT_EQ(Fault(failures),
            "the reward 'fake' fails on each of the 8 training rows that it was tried on: error: "
            "judge.py:3: NameError");
}

TEST_F(RewardTrialTest, ARewardThatFailsOnOneRowWarns) {
  const std::string first = run_.problems.Train(0)->problem.prompt;
  const auto failures =
      Try([&](const Problem& problem, const std::string&) { return problem.prompt == first; });
  EXPECT_EQ(Fault(failures), "");
  EXPECT_THAT(told_, HasSubstr("warning: the reward 'fake' failed on 1 of the 2 training rows that "
                               "it was tried on; the first: error: judge.py:3: NameError"));
}

TEST_F(RewardTrialTest, ARewardThatWantsAnotherShapeOfAnswerIsNoFailure) {
  for (const char* wanted : {"\\boxed{", "<answer>"}) {
    posed_.clear();
    const auto failures = Try([&](const Problem&, const std::string& completion) {
      return completion.find(wanted) == std::string::npos;
    });
    EXPECT_THAT(failures, IsEmpty()) << wanted;
    EXPECT_EQ(posed_.size(), 8u) << "two rows, each in four shapes";
  }
}

TEST_F(RewardTrialTest, ARewardOfSomeRowsOnlyDoesNotRefuseTheRun) {
  std::set<std::string> bad;
  for (uint64_t i = 0; i < 2; ++i) bad.insert(run_.problems.Train(i)->problem.prompt);
  const auto failures =
      Try([&](const Problem& problem, const std::string&) { return bad.contains(problem.prompt); });
  EXPECT_EQ(Fault(failures), "");
  EXPECT_THAT(told_, HasSubstr("failed on 2 of the 8 training rows"));
}

TEST_F(RewardTrialTest, ACompletionIsPosedWithItsTokensAndTheEndToken) {
  const auto groups = PoseRows(run_.model, {run_.problems.Train(0)}, {"12"});
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].episodes[0].completion_ids.size(), 3u) << "a token a byte, and the end";
}

TEST(StandIns, AnAnswerIsWrittenInTheShapesThatRewardsLookFor) {
  Problem problem;
  problem.answer = "42";
  std::vector<std::string> texts;
  for (const StandIn& stand_in : StandIns(problem)) texts.push_back(stand_in.text);
  EXPECT_THAT(texts, ElementsAre("The answer is \\boxed{42}.",
                                 "<think>\n...\n</think>\n<answer>42</answer>", "42"));
  problem.completion = "so 42";
  EXPECT_EQ(StandIns(problem).front().text, "so 42");
}

}  // namespace
}  // namespace cohort::rl
