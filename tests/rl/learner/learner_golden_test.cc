// The learner's updates against PyTorch's in fp64, alone and with its sequences on two ranks.

#include <gtest/gtest.h>
#include <torch/types.h>

#include "tests/fakes/fake_ranks.h"
#include "tests/rl/learner/update_golden.h"

namespace cohort::rl {
namespace {

// The two updates of the golden: the reference, and the second update's old policy, are the start.
std::vector<UpdateReport> RunUpdates(const UpdateGolden& golden, Learner& learner,
                                     std::vector<TrainingSequence> first,
                                     std::vector<TrainingSequence> second) {
  const PolicyObjective objective = Grpo();
  learner.ResetReference();
  learner.RecordRefLogprobs(first);
  learner.RecordRefLogprobs(second);
  learner.RecordOldLogprobs(objective, second);
  return {learner.PolicyUpdate(objective, first, golden.LearningRate(0)),
          learner.PolicyUpdate(objective, second, golden.LearningRate(1))};
}

void ExpectReports(const UpdateGolden& golden, const std::vector<UpdateReport>& reports) {
  for (size_t update = 0; update < 2; ++update) {
    const UpdateReport& report = reports[update];
    const base::Json& expected = golden.Report(update);
    EXPECT_EQ(report.skipped, "");
    EXPECT_NEAR(report.loss, expected.at("loss").get<double>(), 1e-5);
    const double norm = expected.at("grad_norm");
    EXPECT_NEAR(report.grad_norm, norm, 1e-5 * norm);
    EXPECT_NEAR(report.policy.kl(), expected.at("kl").get<double>(), 1e-5);
    EXPECT_NEAR(report.policy.ratio_max, expected.at("ratio_max").get<double>(), 5e-5);
    EXPECT_DOUBLE_EQ(report.policy.clip_fraction(), expected.at("clip_fraction").get<double>());
  }
}

struct Case {
  const char* model;
  int64_t max_tokens;
};

class LearnerGolden : public ::testing::TestWithParam<Case> {};

TEST_P(LearnerGolden, TwoPolicyUpdatesEndInTheWeightsOfPyTorch) {
  const UpdateGolden golden(GetParam().model);
  Learner learner(golden.model.config, golden.Start(), golden.Options(GetParam().max_tokens));
  ExpectReports(golden, RunUpdates(golden, learner, golden.Batch(0), golden.Batch(1)));
  ExpectWeights(learner.Weights(), golden.After("policy"), kWeightTolerance);
}

// All at once; one prompt's completions at a time; completions of a prompt apart. The last would
// count a prompt's tokens anew in each micro-batch's expert load.
INSTANTIATE_TEST_SUITE_P(MicroBatches, LearnerGolden,
                         ::testing::Values(Case{"tiny_llama", 2048}, Case{"tiny_llama", 16},
                                           Case{"tiny_llama", 8}, Case{"tiny_moe", 2048},
                                           Case{"tiny_moe", 16}));

TEST(LearnerGoldens, AnSftUpdateEndsInTheWeightsOfPyTorch) {
  const UpdateGolden golden("tiny_llama");
  const base::Json& sft = golden.all.at("sft").at("tiny_llama");
  for (const int64_t max_tokens : {2048, 8}) {
    Learner learner(golden.model.config, golden.Start(), golden.Options(max_tokens));
    const UpdateReport report =
        learner.SftUpdate(ReadSequences(sft.at("sequences")), golden.LearningRate(0));
    EXPECT_NEAR(report.loss, sft.at("report").at("loss").get<double>(), 1e-5);
    EXPECT_NEAR(report.grad_norm, sft.at("report").at("grad_norm").get<double>(), 1e-4);
    EXPECT_EQ(report.policy.num_tokens, 0);
    ExpectWeights(learner.Weights(), golden.After("sft"), kWeightTolerance);
  }
}

// Rank r gets the sequences for which `rank_of` says so.
std::vector<TrainingSequence> Part(std::vector<TrainingSequence> sequences, int rank,
                                   const std::vector<int>& rank_of) {
  std::vector<TrainingSequence> part;
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (rank_of[i] == rank) part.push_back(std::move(sequences[i]));
  }
  return part;
}

TEST(LearnerGoldens, TwoRanksWithPartsOfTheSequencesEndInTheSameWeights) {
  for (const char* model : {"tiny_llama", "tiny_moe"}) {
    const UpdateGolden golden(model);
    std::vector<policy::WeightMap> ends(2);
    std::vector<std::vector<UpdateReport>> reports(2);
    FakeRanks(2).Run([&](const std::shared_ptr<Ranks>& ranks) {
      const int rank = ranks->rank();
      Learner learner(golden.model.config, golden.Start(), golden.Options(2048), ranks);
      // In the second update, one rank has nothing to do.
      const auto first = Part(golden.Batch(0), rank, {0, 0, 0, 1, 1});
      const auto second = Part(golden.Batch(1), rank, {1, 1, 1, 1, 1});
      reports[static_cast<size_t>(rank)] = RunUpdates(golden, learner, first, second);
      ends[static_cast<size_t>(rank)] = learner.Weights();
    });
    ExpectSameBits(ends[0], ends[1]);
    for (const std::vector<UpdateReport>& report : reports) ExpectReports(golden, report);
    EXPECT_EQ(reports[0][0].trained_tokens, reports[1][0].trained_tokens);
    EXPECT_EQ(reports[0][1].busiest_expert, reports[1][1].busiest_expert);
    ExpectWeights(ends[0], golden.After("policy"), kWeightTolerance);
  }
}

}  // namespace
}  // namespace cohort::rl
