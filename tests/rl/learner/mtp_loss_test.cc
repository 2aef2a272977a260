#include "rl/learner/mtp_loss.h"

#include <gtest/gtest.h>

#include "policy/transformer/ops/logprobs.h"
#include "rl/learner/sft_loss.h"
#include "tests/policy/family_golden.h"
#include "tests/policy/transformer/golden_gradients.h"

namespace cohort::rl {
namespace {

using policy::ModelConfig;
using policy::Transformer;

// The deepseek_v3 golden with two more layers, as torch computes it around transformers' layers
// (tests/golden/policy/README.md).
class MultiTokenPrediction : public ::testing::Test {
 protected:
  MultiTokenPrediction() {
    config_.num_mtp_layers = golden_.at("depths");
    policy_ = Transformer(config_);
    policy_->LoadWeights(policy::FamilyGoldenWeights(config_));
    policy_->train();
    for (const nlohmann::json& one : golden_.at("sequences")) {
      TrainingSequence sequence;
      sequence.ids = one.at("ids").get<std::vector<int32_t>>();
      sequence.prompt_length = one.at("prompt_length");
      sequences_.push_back(sequence);
    }
  }

  // Micro-batches of at most `max_tokens`: the loss of supervised fine-tuning, and lambda times
  // that of the deeper predictions.
  std::pair<double, double> Backward(int64_t max_tokens) {
    const StepTotals totals = CountTotals(sequences_);
    std::pair<double, double> losses;
    for (const auto& chosen : PlanMicroBatches(sequences_, max_tokens)) {
      const MicroBatch batch = PackMicroBatch(sequences_, chosen);
      const at::Tensor hidden_TD = policy_->forward(batch.tokens);
      const at::Tensor logprobs_N =
          policy::ComputeTokenLogprobs(hidden_TD.index_select(0, batch.rows_N), policy_->head(),
                                       batch.targets_N, 1.0)
              .logprobs_N;
      const at::Tensor main = SftLoss(logprobs_N, totals);
      const at::Tensor mtp =
          golden_.at("lambda").get<double>() *
          MtpLoss(*policy_, hidden_TD, PackMtp(sequences_, batch, config_.num_mtp_layers), totals);
      (main + mtp).backward();
      losses.first += main.item<double>();
      losses.second += mtp.item<double>();
    }
    return losses;
  }

  nlohmann::json golden_ = nlohmann::json::parse(
      base::ReadFile(std::string(COHORT_GOLDEN_DIR) + "/policy/deepseek_v3_mtp.json"));
  ModelConfig config_ = policy::ReadFamilyGolden("deepseek_v3").config;
  Transformer policy_{nullptr};
  std::vector<TrainingSequence> sequences_;
};

TEST_F(MultiTokenPrediction, GivesEveryDepthsLogprobsOfTheReference) {
  const at::NoGradGuard no_grad;
  for (size_t s = 0; s < sequences_.size(); ++s) {
    TrainingSequence all = sequences_[s];
    all.prompt_length = 1;  // every prediction counts
    const MicroBatch batch = PackMicroBatch(std::span(&all, 1), {0});
    at::Tensor hidden = policy_->forward(batch.tokens);
    const nlohmann::json& expected = golden_.at("sequences")[s].at("depths");
    const auto depths = PackMtp(std::span(&all, 1), batch, static_cast<int64_t>(expected.size()));
    for (size_t d = 0; d < expected.size(); ++d) {
      const auto states = policy_->ForwardMtp(
          static_cast<int64_t>(d) + 1, hidden.index_select(0, depths[d].parents_M), depths[d].next);
      const at::Tensor logprobs =
          policy::ComputeTokenLogprobs(states.predict_MD, policy_->head(), depths[d].targets_N, 1.0)
              .logprobs_N;
      const at::Tensor reference =
          torch::tensor(expected[d].get<std::vector<double>>(), at::kDouble);
      ASSERT_EQ(logprobs.numel(), reference.numel());
      EXPECT_LT((logprobs - reference).abs().max().item<double>(), 2e-4) << "depth " << d + 1;
      hidden = states.hidden_MD;
    }
  }
}

TEST_F(MultiTokenPrediction, GivesTheLossAndTheGradientsOfTheReference) {
  const auto [main, mtp] = Backward(/*max_tokens=*/1000);
  EXPECT_NEAR(mtp, golden_.at("mtp_loss").get<double>(), 1e-5);
  EXPECT_NEAR(main + mtp, golden_.at("loss").get<double>(), 1e-5);
  policy::ExpectGradients(policy_, golden_.at("gradients"));
}

TEST_F(MultiTokenPrediction, DoesNotDependOnTheMicroBatches) {
  const auto [main, mtp] = Backward(/*max_tokens=*/40);
  EXPECT_NEAR(main + mtp, golden_.at("loss").get<double>(), 1e-5);
  policy::ExpectGradients(policy_, golden_.at("gradients"));
}

// The token behind a shared prompt's last one differs, and the deeper predictions already read it.
TEST_F(MultiTokenPrediction, IsTheSameWhereSequencesShareTheirPrompt) {
  const at::NoGradGuard no_grad;
  TrainingSequence first = sequences_[1], second = sequences_[1];
  for (size_t i = static_cast<size_t>(second.prompt_length); i < second.ids.size(); ++i) {
    second.ids[i] = (second.ids[i] + 7) % 64;
  }
  const auto loss = [&](const std::vector<TrainingSequence>& sequences) {
    std::vector<int64_t> all;
    for (size_t i = 0; i < sequences.size(); ++i) all.push_back(static_cast<int64_t>(i));
    const MicroBatch batch = PackMicroBatch(sequences, all);
    StepTotals totals;
    totals.num_tokens = 1;
    return MtpLoss(*policy_, policy_->forward(batch.tokens), PackMtp(sequences, batch, 2), totals)
        .item<double>();
  };
  EXPECT_NEAR(loss({first, second}), loss({first}) + loss({second}), 1e-3);
}

TEST_F(MultiTokenPrediction, LeavesOutTokensThatTheLossDoesNotCount) {
  TrainingSequence sequence = sequences_[2];
  sequence.loss_mask.assign(static_cast<size_t>(sequence.completion_length()), 0);
  sequence.loss_mask[10] = 1;
  const MicroBatch batch = PackMicroBatch(std::span(&sequence, 1), {0});
  for (const MtpBatch& depth : PackMtp(std::span(&sequence, 1), batch, 2)) {
    EXPECT_EQ(depth.rows_N.numel(), 1);
    EXPECT_EQ(depth.targets_N[0].item<int64_t>(), sequence.ids[11]);
  }
}

}  // namespace
}  // namespace cohort::rl
