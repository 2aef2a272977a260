#include "rl/run/grpo_round.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "rl/objectives/objective.h"
#include "rl/objectives/policy_loss.h"
#include "tests/rl/run/run_fixture.h"

namespace cohort::rl {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr char kRound[] =
    "[{kind: grpo, steps: 4, prompts_per_step: 2, group_size: 2, learning_rate: 0.01}]";

class GrpoRoundTest : public testing::Test {
 protected:
  void Begin(const std::vector<std::string>& overrides = {}) {
    run_ = std::make_unique<RunFixture>(folder_.path() / "run", TinyRecipe(kRound, overrides));
    round_ = std::make_unique<GrpoRound>(run_->context, run_->recipe.rounds(0),
                                         ResolveObjective(run_->recipe));
    run_->script = [this](const EpisodeGroup& group, size_t i, Episode* episode) {
      Answer(i == 0 ? "ab" : "cd", i == 0 ? 1 : 0, episode);
      if (edit_) edit_(group, i, episode);
    };
    PublishPolicy(run_->context);
    round_->Begin();
  }
  // A whole completion with its reward, and the logprobs that the policy gives it.
  void Answer(const std::string& text, double reward, Episode* episode) {
    episode->completion = text;
    episode->completion_ids = run_->Encode(text);
    episode->rollout_logprobs.assign(episode->completion_ids.size(), -5.0F);
    episode->verdict = Graded(reward);
  }
  std::vector<double> Advantages(const StepWork& work) {
    std::vector<double> advantages;
    for (const TrainingSequence& sequence : work.sequences)
      advantages.push_back(sequence.advantage);
    return advantages;
  }
  // Mean logprob of a completion after the first training problem.
  double Logprob(const std::string& completion) {
    TrainingSequence sequence;
    sequence.ids = run_->problems.Train(0)->prompt_ids;
    sequence.prompt_length = static_cast<int64_t>(sequence.ids.size());
    for (const int32_t id : run_->Encode(completion)) sequence.ids.push_back(id);
    sequence.advantage = 1;
    std::vector<TrainingSequence> sequences = {sequence};
    run_->learner.RecordOldLogprobs(MakePolicyObjective(ResolveObjective(run_->recipe)), sequences);
    const std::vector<float>& logprobs = sequences[0].old_logprobs;
    return std::accumulate(logprobs.begin(), logprobs.end(), 0.0) /
           static_cast<double>(logprobs.size());
  }
  std::map<std::string, at::Tensor> Weights() {
    std::map<std::string, at::Tensor> copy;
    for (const auto& [name, tensor] : run_->learner.Weights()) copy[name] = tensor.clone();
    return copy;
  }
  bool EqualWeights(const std::map<std::string, at::Tensor>& before) {
    for (const auto& [name, tensor] : run_->learner.Weights()) {
      if (!at::equal(tensor, before.at(name))) return false;
    }
    return true;
  }

  base::TemporaryFolder folder_;
  std::unique_ptr<RunFixture> run_;
  std::unique_ptr<GrpoRound> round_;
  std::function<void(const EpisodeGroup&, size_t, Episode*)> edit_;
};

TEST_F(GrpoRoundTest, AGroupsRewardsBecomeTheAdvantagesOfItsSequences) {
  Begin();
  const StepWork work = round_->Take();
  EXPECT_THAT(Advantages(work), ElementsAre(0.5, -0.5, 0.5, -0.5)) << "dr_grpo: less the mean";
  const TrainingSequence& first = work.sequences[0];
  const std::vector<int32_t> prompt = run_->problems.Train(0)->prompt_ids;
  EXPECT_EQ(first.prompt_length, static_cast<int64_t>(prompt.size()));
  std::vector<int32_t> ids = prompt;
  for (const int32_t id : run_->Encode("ab")) ids.push_back(id);
  EXPECT_EQ(first.ids, ids);
  EXPECT_EQ(first.rollout_logprobs, std::vector<float>(run_->Encode("ab").size(), -5.0F));
  EXPECT_EQ(run_->progress.data_cursor, 2u);
  EXPECT_EQ(run_->progress.next_group_id, 2u);
  EXPECT_EQ(run_->progress.next_sample_id, 4u);
}

TEST_F(GrpoRoundTest, AnUpdateMakesWhatWasRewardedMoreLikely) {
  Begin();
  const double good = Logprob("ab"), bad = Logprob("cd");
  round_->Update(round_->Take());
  EXPECT_GT(Logprob("ab"), good);
  EXPECT_LT(Logprob("cd"), bad);
  EXPECT_EQ(run_->progress.policy_version, 2);
  EXPECT_EQ(run_->progress.updates_in_round, 1);
}

TEST_F(GrpoRoundTest, GroupsWithoutVarianceLeaveTheWeightsAsTheyAre) {
  Begin();
  edit_ = [this](const EpisodeGroup&, size_t, Episode* episode) { Answer("ab", 1, episode); };
  const auto before = Weights();
  const StepRecord record = round_->Update(round_->Take());
  EXPECT_TRUE(EqualWeights(before));
  EXPECT_EQ(record.metrics.zero_variance_groups, 2);
  EXPECT_EQ(record.metrics.trained_tokens, 0);
  for (const char* key : {"loss", "kl", "entropy", "ratio_mean", "ratio_max", "clip_fraction",
                          "logprob_gap_mean", "logprob_gap_max", "grad_norm"}) {
    EXPECT_FALSE(MetricsRow(record.metrics).contains(key)) << key << " was not computed";
  }
  EXPECT_EQ(run_->progress.policy_version, 2) << "the step counts all the same";
}

TEST_F(GrpoRoundTest, ASampleWhoseRewardFailedIsLeftOutAndNeverWrong) {
  Begin();
  edit_ = [](const EpisodeGroup& group, size_t i, Episode* episode) {
    if (group.group_id == 0 && i == 1) {
      episode->verdict = FailedVerdict(reward::STATUS_TIMEOUT, "10 s");
    }
  };
  const StepWork work = round_->Take();
  EXPECT_THAT(Advantages(work), ElementsAre(0.0, 0.5, -0.5)) << "alone, the other has no variance";
  EXPECT_EQ(work.record.metrics.failed_rewards, 1);
  EXPECT_THAT(*work.record.metrics.reward_mean, DoubleNear(2.0 / 3, 1e-12));
  const auto& records = work.record.samples.records;
  const auto failed = std::find_if(records.begin(), records.end(), [](const nlohmann::json& row) {
    return row.contains("reward_detail");
  });
  ASSERT_NE(failed, records.end());
  EXPECT_EQ(failed->at("reward_detail"), "TIMEOUT: 10 s");
  EXPECT_TRUE(failed->at("reward").is_null());
}

TEST_F(GrpoRoundTest, AStepMayTakeSeveralUpdatesOnSlicesOfItsBatch) {
  Begin({"rounds[0].updates_per_step=2", "rounds[0].schedule=linear"});
  const StepRecord record = round_->Update(round_->Take());
  EXPECT_EQ(run_->progress.policy_version, 3);
  EXPECT_EQ(run_->progress.updates_in_round, 2);
  // Linear to 0 over 4 steps of 2 updates: the second of 8 has 7/8 of the peak.
  EXPECT_THAT(*record.metrics.learning_rate, DoubleNear(0.01 * 7 / 8, 1e-12));
  // The second slice is compared with the policy that sampled it, which it is no more.
  EXPECT_NE(*record.metrics.ratio_max, 1.0);
}

TEST_F(GrpoRoundTest, OneUpdateSeesThePolicyThatSampled) {
  Begin();
  const StepRecord record = round_->Update(round_->Take());
  EXPECT_EQ(*record.metrics.ratio_mean, 1.0);
  EXPECT_EQ(*record.metrics.clip_fraction, 0.0);
}

TEST_F(GrpoRoundTest, TheReferenceIsThePolicyThatTheRoundBeginsWith) {
  Begin({"objective.kl=k3", "objective.kl_coef=0.1"});
  EXPECT_EQ(*round_->Update(round_->Take()).metrics.kl, 0.0);
  round_->Release();
  EXPECT_GT(*round_->Update(round_->Take()).metrics.kl, 0.0);
}

TEST_F(GrpoRoundTest, NothingIsSampledBeforeTheStepBeforeIsReleased) {
  Begin();
  const StepWork first = round_->Take();
  try {
    round_->Take();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
  }
  EXPECT_THAT(run_->rollouts.asked, SizeIs(1));
  round_->Release();
  EXPECT_THAT(round_->Take().sequences, SizeIs(4));
}

TEST_F(GrpoRoundTest, AStepHasTheFiguresThatTheTableNamesForItsRow) {
  Begin();
  StepRecord record = round_->Update(round_->Take());
  EXPECT_EQ(record.metrics.policy_version, 1) << "that was sampled from";
  // The rest is the run's to add, or belongs to a mixture of experts.
  const std::set<std::string> elsewhere = {
      "elapsed_s",     "publish_s",      "publish_bytes",         "step_s",
      "phase",         "busiest_expert", "journal_dropped_steps", "memory_retries",
      "rerouted_share"};
  const nlohmann::json row = MetricsRow(record.metrics);
  for (const Figure& figure : Figures()) {
    const bool expected = (figure.uses & kGrpoRow) != 0 && !elsewhere.contains(figure.key);
    EXPECT_EQ(row.contains(figure.key), expected) << figure.key;
  }
}

}  // namespace
}  // namespace cohort::rl
