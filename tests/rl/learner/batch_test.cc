#include "rl/learner/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "base/error.h"

namespace cohort::rl {
namespace {

using testing::ElementsAre;

template <typename T>
std::vector<T> Values(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  return {flat.const_data_ptr<T>(), flat.const_data_ptr<T>() + flat.numel()};
}

TrainingSequence Make(std::vector<int32_t> ids, int64_t prompt_length, double advantage) {
  TrainingSequence sequence;
  sequence.ids = std::move(ids);
  sequence.prompt_length = prompt_length;
  sequence.advantage = advantage;
  for (int64_t i = 0; i < sequence.completion_length(); ++i) {
    sequence.rollout_logprobs.push_back(-static_cast<float>(sequence.ids.back() + i));
  }
  return sequence;
}

TEST(Batch, RowsPointAtTheHiddenStatesThatPredictTheCompletion) {
  const std::vector<TrainingSequence> sequences = {Make({1, 2, 3, 4}, 2, .5), Make({9, 8}, 1, 7),
                                                   Make({5, 6, 7}, 1, -1)};
  const MicroBatch batch = PackMicroBatch(sequences, {0, 2});
  EXPECT_THAT(Values<int64_t>(batch.tokens.ids_T), ElementsAre(1, 2, 3, 5, 6));
  EXPECT_THAT(Values<int64_t>(batch.tokens.positions_T), ElementsAre(0, 1, 2, 0, 1));
  EXPECT_THAT(Values<int64_t>(batch.rows_N), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Values<int64_t>(batch.targets_N), ElementsAre(3, 4, 6, 7));
  EXPECT_THAT(Values<int64_t>(batch.sequence_index_N), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(Values<float>(batch.rollout_logprobs_N), ElementsAre(-4, -5, -7, -8));
  EXPECT_THAT(Values<float>(batch.advantages_B), ElementsAre(.5f, -1.f));
  EXPECT_THAT(batch.sequences_B, ElementsAre(0, 2));
  EXPECT_FALSE(batch.old_logprobs_N.defined());
  EXPECT_FALSE(batch.ref_logprobs_N.defined());
}

TEST(Batch, MaskedTokensAreReadButNotTrainedOn) {
  std::vector<TrainingSequence> sequences = {Make({1, 2, 3, 4, 5}, 2, 1)};
  sequences[0].loss_mask = {1, 0, 1};
  const MicroBatch batch = PackMicroBatch(sequences, {0});
  EXPECT_EQ(batch.tokens.ids_T.numel(), 4) << "the last token predicts nothing";
  EXPECT_THAT(Values<int64_t>(batch.targets_N), ElementsAre(3, 5));
  EXPECT_THAT(Values<float>(batch.rollout_logprobs_N), ElementsAre(-5, -7));
  EXPECT_EQ(CountTotals(sequences).num_tokens, 2);
  EXPECT_EQ(CountTotals(sequences).num_samples, 1);
  const auto unpacked = UnpackTokens(sequences, batch, batch.rollout_logprobs_N);
  EXPECT_THAT(unpacked, ElementsAre(ElementsAre(-5, 0, -7)));
}

// Meta tensors have a device and no values.
TEST(Batch, LiesOnTheDeviceThatIsAskedFor) {
  std::vector<TrainingSequence> sequences = {Make({1, 2, 3, 4}, 2, .5)};
  sequences[0].old_logprobs = sequences[0].ref_logprobs = {-1, -2};
  const MicroBatch batch = PackMicroBatch(sequences, {0}, at::kMeta);
  for (const at::Tensor& tensor :
       {batch.tokens.ids_T, batch.tokens.positions_T, batch.rows_N, batch.targets_N,
        batch.sequence_index_N, batch.rollout_logprobs_N, batch.old_logprobs_N,
        batch.ref_logprobs_N, batch.advantages_B}) {
    EXPECT_TRUE(tensor.is_meta());
  }
}

TEST(Batch, CompletionsOfOnePromptShareItsRows) {
  const std::vector<TrainingSequence> sequences = {Make({1, 2, 7, 8, 9}, 2, 0),
                                                   Make({1, 2, 5}, 2, 0), Make({1, 2, 6, 4}, 2, 0),
                                                   Make({1, 3, 6}, 2, 0)};
  const MicroBatch batch = PackMicroBatch(sequences, {0, 1, 2, 3});
  EXPECT_THAT(Values<int64_t>(batch.tokens.ids_T), ElementsAre(1, 2, 7, 8, 6, 1, 3));
  EXPECT_THAT(Values<int64_t>(batch.tokens.positions_T), ElementsAre(0, 1, 2, 3, 2, 0, 1));
  EXPECT_THAT(Values<int64_t>(batch.rows_N), ElementsAre(1, 2, 3, 1, 1, 4, 6));
  EXPECT_THAT(Values<int64_t>(batch.targets_N), ElementsAre(7, 8, 9, 5, 6, 4, 6));
  // Prompt and inputs: 4, 2 and 3 tokens of the first prompt together, as far as the bound allows.
  const std::span<const TrainingSequence> all(sequences);
  EXPECT_THAT(PlanMicroBatches(all, 100), ElementsAre(ElementsAre(0, 1, 2, 3)));
  EXPECT_THAT(PlanMicroBatches(all, 5), ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3)));
  EXPECT_THAT(PlanMicroBatches(all, 4),
              ElementsAre(ElementsAre(0, 1), ElementsAre(2), ElementsAre(3)));
}

// Phi-3's long rope turns a prompt by other angles in a longer sequence.
TEST(Batch, SequencesOnBothSidesOfTheOriginalContextShareNoPrompt) {
  const std::vector<TrainingSequence> sequences = {
      Make({1, 2, 3, 4}, 2, 0), Make({1, 2, 5, 6, 7, 8}, 2, 0), Make({1, 2, 9, 10, 11, 12}, 2, 0)};
  const auto segments = [&](int64_t long_beyond) {
    return PackMicroBatch(sequences, {0, 1, 2}, at::kCPU, long_beyond).tokens.segments;
  };
  // A prompt and three continuations; with inputs of 3, 5 and 5 tokens on both sides of 4, two.
  EXPECT_EQ(segments(0).size(), 4U);
  EXPECT_EQ(segments(2).size(), 4U);
  EXPECT_EQ(segments(4).size(), 5U);
  EXPECT_EQ(segments(5).size(), 4U);
  const std::span<const TrainingSequence> all(sequences);
  EXPECT_THAT(PlanMicroBatches(all, 8, 4), ElementsAre(ElementsAre(0), ElementsAre(1, 2)));
}

TEST(Batch, TokensUnpackIntoTheSequencesTheyCameFrom) {
  const std::vector<TrainingSequence> sequences = {Make({1, 2, 3, 4}, 2, 0), Make({9, 8}, 1, 0),
                                                   Make({5, 6, 7}, 1, 0)};
  for (const auto& chosen : PlanMicroBatches(std::span<const TrainingSequence>(sequences), 6)) {
    const MicroBatch batch = PackMicroBatch(sequences, chosen);
    const auto unpacked = UnpackTokens(sequences, batch, batch.rollout_logprobs_N);
    ASSERT_EQ(unpacked.size(), chosen.size());
    for (size_t b = 0; b < chosen.size(); ++b) {
      EXPECT_EQ(unpacked[b], sequences[static_cast<size_t>(chosen[b])].rollout_logprobs);
    }
  }
}

TEST(Batch, APlanHoldsEverySequenceOnceWithinTheBound) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<int64_t> lengths(1 + random() % 40);
    for (int64_t& length : lengths) length = 1 + static_cast<int64_t>(random() % 90);
    const int64_t max_tokens = 90 + static_cast<int64_t>(random() % 400);
    const auto plan = PlanMicroBatches(std::span<const int64_t>(lengths), max_tokens);
    std::vector<int64_t> seen;
    for (const auto& batch : plan) {
      int64_t tokens = 0;
      for (const int64_t index : batch) tokens += lengths[static_cast<size_t>(index)];
      EXPECT_LE(tokens, max_tokens);
      EXPECT_TRUE(std::is_sorted(batch.begin(), batch.end()));
      seen.insert(seen.end(), batch.begin(), batch.end());
    }
    std::sort(seen.begin(), seen.end());
    std::vector<int64_t> all(lengths.size());
    std::iota(all.begin(), all.end(), int64_t{0});
    EXPECT_EQ(seen, all);
    EXPECT_EQ(PlanMicroBatches(std::span<const int64_t>(lengths), max_tokens), plan);
  }
}

TEST(Batch, APlanIsBalanced) {
  const std::vector<int64_t> lengths = {50, 10, 10, 10, 20, 30, 30, 40};  // 200 tokens
  const auto plan = PlanMicroBatches(std::span<const int64_t>(lengths), 120);
  ASSERT_EQ(plan.size(), 2u);
  for (const auto& batch : plan) {
    int64_t tokens = 0;
    for (const int64_t index : batch) tokens += lengths[static_cast<size_t>(index)];
    EXPECT_EQ(tokens, 100);
  }
}

TEST(Batch, ASequenceLongerThanTheBoundIsAlone) {
  const std::vector<int64_t> lengths = {3, 500, 4};
  EXPECT_THAT(PlanMicroBatches(std::span<const int64_t>(lengths), 10),
              ElementsAre(ElementsAre(0, 2), ElementsAre(1)));
  EXPECT_TRUE(PlanMicroBatches(std::span<const int64_t>(), 10).empty());
}

TEST(Batch, SequencesThatContradictThemselvesAreRefused) {
  std::vector<TrainingSequence> sequences = {Make({1, 2, 3}, 1, 0), Make({4, 5}, 1, 0)};
  sequences[1].rollout_logprobs.clear();
  EXPECT_THROW(PackMicroBatch(sequences, {0, 1}), Error);
  sequences[1].rollout_logprobs = {1, 2};
  EXPECT_THROW(PackMicroBatch(sequences, {1}), Error);
  sequences[0].prompt_length = 0;
  EXPECT_THROW(PackMicroBatch(sequences, {0}), Error);
  sequences[0].prompt_length = 4;
  EXPECT_THROW(PackMicroBatch(sequences, {0}), Error);
}

}  // namespace
}  // namespace cohort::rl
