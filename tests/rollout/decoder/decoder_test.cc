// The decoder's loop over a runner without a model: what it admits, shares, preempts, ends and
// delivers. tests/rollout/cpu has the decoder with real models.

#include "rollout/decoder/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "base/error.h"
#include "tests/fakes/fake_model_runner.h"
#include "tests/rollout/completions.h"

namespace cohort::rollout {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kVocab = 20;
using Ids = std::vector<int32_t>;

RunnerShape Shape(int64_t num_blocks = 1000) {
  return {.vocab_size = kVocab,
          .max_positions = 100,
          .num_blocks = num_blocks,
          .block_tokens = 4,
          .num_workers = 1};
}

// A decoder with its fake, which it owns.
struct Driven {
  explicit Driven(FakeModelRunner::Script script = FakeModelRunner::Scattered(kVocab),
                  const DecoderOptions& options = {}, const RunnerShape& shape = Shape())
      : owned(std::make_unique<FakeModelRunner>(shape, std::move(script))),
        runner(*owned),
        decoder(std::move(owned), options, 3) {}

  std::unique_ptr<FakeModelRunner> owned;
  FakeModelRunner& runner;
  Decoder decoder;
};

// The token after the last one of the context, counted round.
int32_t Successor(const Ids& context) {
  return (context.back() + 1) % static_cast<int32_t>(kVocab);
}

// Each sample by itself, in a group and a decoder of its own.
std::vector<SampledCompletion> EachAlone(const std::vector<GroupRequest>& requests) {
  std::vector<SampledCompletion> alone;
  for (const GroupRequest& request : requests) {
    for (const uint64_t sample_id : request.sample_ids) {
      GroupRequest single = request;
      single.sample_ids = {sample_id};
      Driven driven;
      alone.push_back(GenerateAll(driven.decoder, {single}).at(0));
    }
  }
  return alone;
}

// Prompts around the block size of 4, with 1 to 4 samples each.
std::vector<GroupRequest> MixedRequests() {
  std::vector<GroupRequest> requests;
  uint64_t id = 0;
  for (const size_t length : {1, 3, 4, 5, 8, 11}) {
    Ids prompt;
    for (size_t i = 0; i < length; ++i)
      prompt.push_back(static_cast<int32_t>((7 * i + length) % kVocab));
    GroupRequest request = Request(prompt, {}, 20);
    request.group_id = 10 + requests.size();
    for (size_t i = 0; i < 1 + requests.size() % 4; ++i) request.sample_ids.push_back(id++);
    request.sampling.stop_ids = {7};
    requests.push_back(request);
  }
  return requests;
}

TEST(Decoder, DrawsWhatTheLogitsSayAndEndsAtAStopTokenWhichItKeeps) {
  Driven driven(FakeModelRunner::Certain(kVocab, Successor));
  GroupRequest request = Request({3, 4}, {0}, 50);
  request.sampling.stop_ids = {15, 8};
  const SampledCompletion completion = GenerateAll(driven.decoder, {request}).at(0);
  EXPECT_THAT(completion.ids, ElementsAre(5, 6, 7, 8));
  EXPECT_EQ(completion.finish_reason, FinishReason::kStop);
  EXPECT_EQ(completion.policy_version, 3);
  for (const float logprob : completion.rollout_logprobs) EXPECT_EQ(logprob, 0.0f);  // log 1
}

TEST(Decoder, EndsAtTheLimitOfNewTokensAndAtTheEndOfTheContext) {
  Driven driven(FakeModelRunner::Certain(kVocab, Successor));
  const SampledCompletion at_limit = GenerateAll(driven.decoder, {Request({3}, {0}, 6)}).at(0);
  EXPECT_THAT(at_limit.ids, ElementsAre(4, 5, 6, 7, 8, 9));
  EXPECT_EQ(at_limit.finish_reason, FinishReason::kLength);
  const SampledCompletion at_end =
      GenerateAll(driven.decoder, {Request(Ids(97, 1), {0}, 1000)}).at(0);
  EXPECT_THAT(at_end.ids, ElementsAre(2, 3, 4));  // 97 + 3 = 100 positions
  EXPECT_EQ(at_end.finish_reason, FinishReason::kLength);
}

TEST(Decoder, AStopTokenAtTheVeryLimitIsAStop) {
  Driven driven(FakeModelRunner::Certain(kVocab, Successor));
  GroupRequest request = Request({3}, {0}, 2);
  request.sampling.stop_ids = {5};
  EXPECT_EQ(GenerateAll(driven.decoder, {request}).at(0).finish_reason, FinishReason::kStop);
}

TEST(Decoder, AsksForLogitsOnlyWhereATokenIsDrawn) {
  Driven driven(FakeModelRunner::Scattered(kVocab), {.tokens_per_step = 4});
  GenerateAll(driven.decoder, {Request(Ids(10, 1), {0, 1}, 3)});
  const std::vector<FakeModelRunner::SeenStep>& steps = driven.runner.steps();
  ASSERT_EQ(steps.size(), 5u);  // 4 + 4 + 2 tokens of the prompt, then two steps of two samples
  EXPECT_THAT(steps[0].num_logits, ElementsAre(0));
  EXPECT_THAT(steps[1].num_logits, ElementsAre(0));
  EXPECT_THAT(steps[2].tokens, ElementsAre(2));
  EXPECT_THAT(steps[2].num_logits, ElementsAre(1));
  EXPECT_THAT(steps[3].tokens, ElementsAre(1, 1));
  EXPECT_THAT(steps[4].num_logits, ElementsAre(1, 1));
}

TEST(Decoder, ComputesAGroupsPromptOnceAndCopiesOnlyItsPartlyFilledBlock) {
  Driven driven;
  GenerateAll(driven.decoder, {Request(Ids(10, 1), {0, 1, 2}, 5)});
  EXPECT_EQ(driven.decoder.stats().prefill_tokens, 10u);
  EXPECT_EQ(driven.decoder.stats().decode_tokens, 3u * 4u);  // the first came with the prompt
  size_t copies = 0;
  for (const auto& step : driven.runner.steps()) copies += step.copies.size();
  EXPECT_EQ(copies, 2u);  // the last sample takes the original
}

TEST(Decoder, ASampleIsTheSameWhateverSharesItsBatchAndHoweverItIsCutAndPreempted) {
  const std::vector<GroupRequest> requests = MixedRequests();
  const std::vector<SampledCompletion> alone = EachAlone(requests);
  uint64_t preemptions = 0;
  for (const int32_t tokens_per_step : {1, 3, 512}) {
    for (const int64_t blocks : {9, 12, 1000}) {
      for (const int32_t max_running : {2, 256}) {
        Driven driven(FakeModelRunner::Scattered(kVocab),
                      {.max_running = max_running, .tokens_per_step = tokens_per_step},
                      Shape(blocks));
        const std::string what = std::to_string(tokens_per_step) + " tokens a step, " +
                                 std::to_string(blocks) + " blocks, " +
                                 std::to_string(max_running) + " running";
        ExpectSame(GenerateAll(driven.decoder, requests), alone, what);
        EXPECT_TRUE(driven.decoder.Idle());
        preemptions += driven.decoder.stats().preemptions;
      }
    }
  }
  EXPECT_GT(preemptions, 20u);  // the small caches did what they are there for
}

// The fake refuses a state that has seen anything but its sequence's tokens.
TEST(Decoder, ARecurrentStateGoesWithItsSequenceThroughForksAndPreemptions) {
  const std::vector<GroupRequest> requests = MixedRequests();
  const std::vector<SampledCompletion> alone = EachAlone(requests);
  uint64_t preemptions = 0;
  for (const int64_t states : {2, 5, 400}) {
    for (const int32_t tokens_per_step : {1, 3, 512}) {
      for (const int64_t blocks : {9, 12, 1000}) {
        RunnerShape shape = Shape(blocks);
        shape.num_states = states;
        Driven driven(FakeModelRunner::Scattered(kVocab), {.tokens_per_step = tokens_per_step},
                      shape);
        const std::string what = std::to_string(states) + " states, " +
                                 std::to_string(tokens_per_step) + " tokens a step, " +
                                 std::to_string(blocks) + " blocks";
        ExpectSame(GenerateAll(driven.decoder, requests), alone, what);
        preemptions += driven.decoder.stats().preemptions;
      }
    }
  }
  EXPECT_GT(preemptions, 20u);  // the small caches did what they are there for
}

TEST(Decoder, ATextIsScoredFromAnEmptyRecurrentState) {
  RunnerShape shape = Shape();
  shape.num_states = 2;
  Driven driven(FakeModelRunner::Scattered(kVocab), {.tokens_per_step = 3}, shape), plain;
  GenerateAll(driven.decoder, {Request({1, 2, 3}, {0, 1}, 5)});
  const Ids ids = {3, 1, 4, 1, 5, 9, 2, 6};
  EXPECT_EQ(driven.decoder.Score(ids), plain.decoder.Score(ids));
}

TEST(Decoder, TheOrderOfSubmissionChangesNoSample) {
  std::vector<GroupRequest> requests = MixedRequests();
  Driven forwards, backwards;
  std::vector<SampledCompletion> expected = GenerateAll(forwards.decoder, requests);
  std::reverse(requests.begin(), requests.end());
  std::vector<SampledCompletion> found = GenerateAll(backwards.decoder, requests);
  const auto by_sample = [](const SampledCompletion& a, const SampledCompletion& b) {
    return a.sample_id < b.sample_id;
  };
  std::sort(expected.begin(), expected.end(), by_sample);
  std::sort(found.begin(), found.end(), by_sample);
  ExpectSame(found, expected, "backwards");
}

TEST(Decoder, RunsNoMoreSamplesThanItMay) {
  Driven driven(FakeModelRunner::Scattered(kVocab), {.max_running = 3});
  for (uint64_t group = 0; group < 4; ++group) {
    GroupRequest request = Request({1, 2}, {2 * group, 2 * group + 1}, 10);
    request.group_id = group;
    driven.decoder.Submit(request);
  }
  EXPECT_EQ(driven.decoder.num_waiting(), 8);
  size_t finished = 0;
  while (!driven.decoder.Idle()) {
    finished += driven.decoder.Step().size();
    EXPECT_LE(driven.decoder.num_running(), 3);
  }
  EXPECT_EQ(finished, 8u);
  for (const auto& step : driven.runner.steps()) {
    // Prompts of two tokens; every other sequence of a step is a running sample.
    EXPECT_LE(std::count(step.tokens.begin(), step.tokens.end(), 1), 3);
  }
}

TEST(Decoder, ACancelledGroupLeavesNoTraceInTheOthers) {
  const GroupRequest kept = Request(Ids(6, 2), {1, 2}, 30);
  const std::vector<SampledCompletion> expected = EachAlone({kept});
  Driven driven(FakeModelRunner::Scattered(kVocab), {}, Shape(40));
  GroupRequest dropped = kept;
  dropped.group_id = 77;
  driven.decoder.Submit(dropped);
  driven.decoder.Submit(kept);
  for (int step = 0; step < 5; ++step) driven.decoder.Step();
  driven.decoder.Cancel(77);
  EXPECT_EQ(driven.decoder.num_running(), 2);
  std::vector<SampledCompletion> found;
  while (!driven.decoder.Idle()) {
    for (SampledCompletion& completion : driven.decoder.Step()) found.push_back(completion);
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.sample_id < b.sample_id; });
  ExpectSame(found, expected, "after a cancellation");
}

TEST(Decoder, SwapsWeightsBetweenStepsOnlyWhenNothingRuns) {
  Driven driven(FakeModelRunner::Certain(kVocab, Successor));
  driven.runner.OnLoad([&] {
    driven.runner.SetScript(FakeModelRunner::Certain(kVocab, [](const Ids&) { return 0; }));
  });
  driven.decoder.Submit(Request({3}, {0}, 3));
  driven.decoder.Step();
  EXPECT_THROW(driven.decoder.SwapWeights({}, 4), Error);
  EXPECT_EQ(driven.runner.loads(), 0);
  while (!driven.decoder.Idle()) driven.decoder.Step();
  driven.decoder.SwapWeights({}, 4);
  EXPECT_EQ(driven.runner.loads(), 1);
  const SampledCompletion completion = GenerateAll(driven.decoder, {Request({3}, {0}, 3)}).at(0);
  EXPECT_THAT(completion.ids, ElementsAre(0, 0, 0)) << "the new weights' tokens";
  EXPECT_EQ(completion.policy_version, 4);
}

std::string ScoreRefusal(Decoder& decoder, size_t tokens) {
  try {
    decoder.Score(Ids(tokens, 1));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what() + (" | " + error.hint());
  }
  return "no error";
}

TEST(Decoder, ATextTooLongToScoreIsToldTheContextFromTheCache) {
  Driven roomy;
  EXPECT_EQ(ScoreRefusal(roomy.decoder, 100), "no error");
  EXPECT_THAT(ScoreRefusal(roomy.decoder, 101),
              testing::AllOf(HasSubstr("a text of 101 tokens is longer than the model's context "
                                       "of 100 | "),
                             testing::Not(HasSubstr("cache"))));
  Driven tight(FakeModelRunner::Scattered(kVocab), {}, Shape(/*num_blocks=*/10));
  EXPECT_THAT(ScoreRefusal(tight.decoder, 60),
              HasSubstr("a text of 60 tokens does not fit in the KV cache of 10 blocks of 4: it "
                        "needs 15 | shorten it, or raise rollout.kv_cache_mb"));
}

TEST(Decoder, ScoresEveryTokenAfterTheFirstInChunks) {
  Driven driven(FakeModelRunner::Scattered(kVocab), {.tokens_per_step = 3});
  const std::vector<float> logprobs = driven.decoder.Score(Ids{1, 2, 3, 4, 5, 6, 7, 8});
  ASSERT_EQ(logprobs.size(), 7u);
  const FakeModelRunner::Script script = FakeModelRunner::Scattered(kVocab);
  for (int32_t i = 0; i < 7; ++i) {
    Ids context;
    for (int32_t id = 1; id <= i + 1; ++id) context.push_back(id);
    double sum = 0;
    const std::vector<float> logits = script(context);
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    EXPECT_NEAR(logprobs[static_cast<size_t>(i)],
                logits[static_cast<size_t>(i) + 2] - std::log(sum), 1e-5);
  }
  EXPECT_EQ(driven.runner.steps().size(), 3u);
}

TEST(Decoder, AStepThatFailsEndsAllSamplesAndLeavesTheDecoderUsable) {
  bool broken = true;
  Driven driven([&](const Ids& context) {
    std::vector<float> logits = FakeModelRunner::Certain(kVocab, Successor)(context);
    if (broken && context.size() > 5) logits[2] = std::numeric_limits<float>::quiet_NaN();
    return logits;
  });
  driven.decoder.Submit(Request({3}, {0, 1}, 20));
  try {
    while (!driven.decoder.Idle()) driven.decoder.Step();
    FAIL() << "sampled from NaN";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDiverged);
  }
  EXPECT_TRUE(driven.decoder.Idle());
  broken = false;
  EXPECT_EQ(GenerateAll(driven.decoder, {Request({3}, {0}, 20)}).at(0).ids.size(), 20u);
}

TEST(Decoder, RefusesASequenceThatCannotFitInTheCacheAlone) {
  Driven driven(FakeModelRunner::Scattered(kVocab), {}, Shape(5));
  try {
    driven.decoder.Submit(Request({1}, {0}, 20));
    FAIL() << "took 21 tokens into 5 blocks of 4";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("KV cache of 5 blocks of 4"));
  }
}

}  // namespace
}  // namespace cohort::rollout
