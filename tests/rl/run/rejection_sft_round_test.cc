#include "rl/run/rejection_sft_round.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <span>

#include "base/durable_file.h"
#include "tests/rl/run/run_fixture.h"

namespace cohort::rl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr char kRound[] =
    "[{kind: rejection_sft, steps: 3, prompts_per_step: 1, group_size: 4, sequences_per_step: 2, "
    "min_reward: 0.5}]";

class RejectionSftRoundTest : public testing::Test {
 protected:
  // Four answers to one problem: `text` of each with its reward.
  void Begin(const std::vector<std::pair<std::string, double>>& answers) {
    run_.script = [this, answers](const EpisodeGroup&, size_t i, Episode* episode) {
      episode->completion_ids = run_.Encode(answers[i].first);
      episode->verdict = Graded(answers[i].second);
      if (edit_) edit_(i, episode);
    };
    testing::internal::CaptureStderr();
    try {
      round_.Begin();
    } catch (...) {
      stderr_ = testing::internal::GetCapturedStderr();
      throw;
    }
    stderr_ = testing::internal::GetCapturedStderr();
  }
  std::string Completion(const TrainingSequence& sequence) {
    return run_.model.tokenizer->Decode(
        std::span(sequence.ids).subspan(static_cast<size_t>(sequence.prompt_length)));
  }
  // The completions of a step, in order.
  std::vector<std::string> Take(Round& round) {
    std::vector<std::string> completions;
    for (const TrainingSequence& sequence : round.Take().sequences) {
      completions.push_back(Completion(sequence));
    }
    return completions;
  }

  base::TemporaryFolder folder_;
  RunFixture run_{folder_.path() / "run", TinyRecipe(kRound)};
  RejectionSftRound round_{run_.context, run_.recipe.rounds(0), 0};
  std::function<void(size_t, Episode*)> edit_;
  std::string stderr_;
};

TEST_F(RejectionSftRoundTest, GoodAnswersThatEndedAreKeptEachOnce) {
  edit_ = [](size_t i, Episode* episode) {
    if (i == 3) episode->finish_reason = rollout::FinishReason::kLength;
  };
  Begin({{"good", 1}, {"good", 1}, {"bad", 0.25}, {"cut", 1}});
  EXPECT_THAT(stderr_,
              HasSubstr("2 of 4 sampled answers reach min_reward; 1 different ones become"));
  EXPECT_THAT(Take(round_), ElementsAre("good", "good")) << "again in each epoch";
  EXPECT_THAT(run_.rollouts.publisher().published, ElementsAre(1)) << "the policy as it is";
  EXPECT_EQ(run_.progress.data_cursor, 1u);
}

TEST_F(RejectionSftRoundTest, AllThatWasSampledIsInTheEntryOfTheRoundsFirstStep) {
  Begin({{"good", 1}, {"good", 1}, {"bad", 0.25}, {"cut", 1}});
  const StepRecord first = round_.Update(round_.Take());
  ASSERT_THAT(first.entry.groups, SizeIs(1));
  EXPECT_THAT(first.entry.groups[0].episodes, SizeIs(4));
  EXPECT_EQ(first.entry.groups[0].episodes[2].reward(), 0.25);
  EXPECT_THAT(first.entry.demonstrations, SizeIs(2));
  EXPECT_THAT(first.entry.updates, SizeIs(1));
  EXPECT_THAT(round_.Update(round_.Take()).entry.groups, SizeIs(0));
}

TEST_F(RejectionSftRoundTest, AFailedRewardIsNoConfirmation) {
  edit_ = [](size_t i, Episode* episode) {
    if (i == 0) episode->verdict = FailedVerdict(reward::STATUS_TIMEOUT, "");
  };
  Begin({{"failed", 1}, {"good", 0.5}, {"bad", 0}, {"bad", 0}});
  EXPECT_THAT(Take(round_), ElementsAre("good", "good"));
}

TEST_F(RejectionSftRoundTest, WithoutAGoodAnswerTheRunIsRefusedWithAWayOut) {
  try {
    Begin({{"a", 0}, {"b", 0}, {"c", 0.49}, {"d", 0}});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_STREQ(error.what(), "no sampled answer reached min_reward");
    EXPECT_THAT(error.hint(), HasSubstr("lower rounds[0].min_reward"));
  }
}

TEST_F(RejectionSftRoundTest, EveryEpochVisitsEveryDemonstrationOnce) {
  Begin({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}});
  std::multiset<std::string> seen;
  for (run_.progress.step_in_round = 0; run_.progress.step_in_round < 2;
       ++run_.progress.step_in_round) {
    for (const std::string& completion : Take(round_)) seen.insert(completion);
  }
  EXPECT_EQ(seen, (std::multiset<std::string>{"a", "b", "c", "d"}));
}

TEST_F(RejectionSftRoundTest, AResumedRoundLearnsTheSameInTheSameOrder) {
  Begin({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}});
  RejectionSftRound resumed(run_.context, run_.recipe.rounds(0), 0);
  resumed.Resume();
  EXPECT_THAT(run_.rollouts.asked, SizeIs(1)) << "nothing is sampled again";
  for (run_.progress.step_in_round = 0; run_.progress.step_in_round < 3;
       ++run_.progress.step_in_round) {
    EXPECT_EQ(Take(resumed), Take(round_));
  }
}

TEST_F(RejectionSftRoundTest, ADamagedFileOfDemonstrationsIsRefused) {
  Begin({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}});
  const auto path = folder_.path() / "run" / "verified-round-1.jsonl";
  std::string bytes = base::ReadFile(path);
  for (const std::string& damaged :
       {bytes.substr(bytes.find('\n') + 1), bytes.substr(0, bytes.find("{\"xxh3"))}) {
    base::WriteFileDurably(path, damaged);
    RejectionSftRound resumed(run_.context, run_.recipe.rounds(0), 0);
    try {
      resumed.Resume();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
      EXPECT_THAT(error.what(), HasSubstr("verified-round-1.jsonl is not what this run wrote"));
    }
  }
}

TEST_F(RejectionSftRoundTest, AStepLearnsItsDemonstrations) {
  Begin({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}});
  const StepRecord record = round_.Update(round_.Take());
  EXPECT_GT(*record.metrics.loss, 0.0);
  EXPECT_EQ(run_.progress.policy_version, 2);
  EXPECT_FALSE(round_.samples()) << "its steps need no workers";
}

}  // namespace
}  // namespace cohort::rl
