// Sequences that grow beyond the number of tokens from which on all their keys are others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "rollout/decoder/decoder.h"
#include "tests/fakes/fake_model_runner.h"
#include "tests/rollout/completions.h"

namespace cohort::rollout {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr int64_t kVocab = 20;
constexpr int64_t kBoundary = 16;
using Ids = std::vector<int32_t>;

struct Bounded {
  explicit Bounded(const DecoderOptions& options = {}, int64_t num_blocks = 1000)
      : owned(std::make_unique<FakeModelRunner>(RunnerShape{.vocab_size = kVocab,
                                                            .max_positions = 100,
                                                            .num_blocks = num_blocks,
                                                            .block_tokens = 4,
                                                            .num_workers = 1,
                                                            .rope_boundary = kBoundary},
                                                FakeModelRunner::Scattered(kVocab))),
        runner(*owned),
        decoder(std::move(owned), options, 3) {}

  std::unique_ptr<FakeModelRunner> owned;
  FakeModelRunner& runner;
  Decoder decoder;
};

// transformers' Phi3ForCausalLM drops its cache where the input first has more tokens than
// original_max_position_embeddings, and computes them all again.
TEST(RopeBoundary, ASequenceIsComputedAgainInTheStepThatMakesItLonger) {
  Bounded bounded;
  GenerateAll(bounded.decoder, {Request(Ids(10, 1), {0}, 12)});
  std::vector<int64_t> tokens;
  std::vector<bool> beyond;
  for (const auto& step : bounded.runner.steps()) {
    tokens.insert(tokens.end(), step.tokens.begin(), step.tokens.end());
    beyond.insert(beyond.end(), step.beyond_boundary.begin(), step.beyond_boundary.end());
  }
  // The prompt, six more tokens; then prompt and seven tokens again, four more of them alone.
  EXPECT_THAT(tokens, ElementsAre(10, 1, 1, 1, 1, 1, 1, 10, 7, 1, 1, 1, 1));
  EXPECT_THAT(beyond, ElementsAre(false, false, false, false, false, false, false, true, true, true,
                                  true, true, true));
}

TEST(RopeBoundary, SamplesThatCrossItShareNoBlockAndThePromptIsGivenBackAfterTheLast) {
  // 22 tokens are 6 blocks: three samples have their own, and nothing is left for the prompt's 3.
  Bounded bounded({}, 18);
  const std::vector<SampledCompletion> together =
      GenerateAll(bounded.decoder, {Request(Ids(10, 1), {0, 1, 2}, 12)});
  EXPECT_EQ(bounded.decoder.stats().preemptions, 0u);
  for (const SampledCompletion& completion : together) {
    Bounded alone;
    ExpectSame(GenerateAll(alone.decoder, {Request(Ids(10, 1), {completion.sample_id}, 12)}),
               {completion}, "alone");
  }
}

TEST(RopeBoundary, APromptThatIsLongerIsSharedAsEver) {
  Bounded bounded;
  GenerateAll(bounded.decoder, {Request(Ids(17, 1), {0, 1, 2}, 8)});
  EXPECT_EQ(bounded.decoder.stats().prefill_tokens, 17u);
  for (const auto& step : bounded.runner.steps()) EXPECT_THAT(step.beyond_boundary, Each(true));
}

TEST(RopeBoundary, APromptThatEndsAtItGivesOneTokenBeforeItIsComputedAgain) {
  Bounded bounded;
  GenerateAll(bounded.decoder, {Request(Ids(16, 1), {0, 1}, 3)});
  EXPECT_EQ(bounded.decoder.stats().prefill_tokens, 16u + 2 * 16u);
  EXPECT_THAT(bounded.runner.steps().front().beyond_boundary, ElementsAre(false));
  EXPECT_THAT(bounded.runner.steps().back().beyond_boundary, ElementsAre(true, true));
}

TEST(RopeBoundary, ATextIsScoredOnTheSideOfItsWholeLength) {
  Bounded bounded({.tokens_per_step = 5});
  bounded.decoder.Score(Ids(16, 1));
  for (const auto& step : bounded.runner.steps()) EXPECT_THAT(step.beyond_boundary, Each(false));
  const size_t before = bounded.runner.steps().size();
  bounded.decoder.Score(Ids(17, 1));
  for (size_t i = before; i < bounded.runner.steps().size(); ++i) {
    EXPECT_THAT(bounded.runner.steps()[i].beyond_boundary, Each(true));
  }
}

}  // namespace
}  // namespace cohort::rollout
