#include "rollout/cpu/cpu_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"
#include "rollout/cpu/attention_weights.h"
#include "tests/rollout/completions.h"
#include "tests/rollout/golden_model.h"

namespace cohort::rollout {
namespace {

using testing::HasSubstr;

class Golden : public testing::TestWithParam<const char*> {
 protected:
  GoldenModel golden_ = ReadGolden(GetParam());

  Decoder Make(DecoderOptions options = {}) const {
    if (options.num_threads == 0) options.num_threads = 2;
    return MakeCpuDecoder(golden_.config, golden_.weights, options, 3);
  }
};
INSTANTIATE_TEST_SUITE_P(Families, Golden, testing::Values("llama", "glm4_moe"));

TEST_P(Golden, ScoresAgreeWithTransformers) {
  Decoder decoder = Make();
  for (const GoldenText& text : golden_.texts) {
    const std::vector<float> logprobs = decoder.Score(text.ids);
    ASSERT_EQ(logprobs.size(), text.logprobs.size());
    for (size_t i = 0; i < logprobs.size(); ++i) {
      EXPECT_NEAR(logprobs[i], text.logprobs[i], 2e-5)
          << "token " << i + 1 << " of " << text.ids.size();
    }
  }
}

TEST_P(Golden, GreedyTextAgreesWithTransformersTokenForToken) {
  Decoder decoder = Make();
  GroupRequest request =
      Request(golden_.greedy_prompt, {0}, static_cast<int32_t>(golden_.greedy_ids.size()));
  request.sampling.temperature = 0;
  const std::vector<SampledCompletion> completions = GenerateAll(decoder, {request});
  ASSERT_EQ(completions.size(), 1u);
  EXPECT_EQ(completions[0].ids, golden_.greedy_ids);
  EXPECT_EQ(completions[0].finish_reason, FinishReason::kLength);
  EXPECT_EQ(completions[0].policy_version, 3);
}

TEST_P(Golden, TellsItsListenerEveryTokenAsItIsDrawnOnceEach) {
  // So small a cache that samples are preempted and computed again.
  const int64_t block = KvLayoutOf(golden_.config.attention).block_floats() *
                        golden_.config.num_layers * int64_t{sizeof(float)};
  DecoderOptions options;
  options.kv_cache_bytes = 8 * block;
  Decoder decoder = Make(options);
  std::map<uint64_t, std::vector<int32_t>> told;
  size_t told_before_the_end = 0;
  decoder.OnToken([&](uint64_t, uint64_t sample_id, int32_t id) { told[sample_id].push_back(id); });
  decoder.Submit(Request(golden_.greedy_prompt, {0, 1, 2, 3}, 60));
  std::map<uint64_t, std::vector<int32_t>> drawn;
  while (!decoder.Idle()) {
    for (SampledCompletion& completion : decoder.Step()) {
      drawn[completion.sample_id] = std::move(completion.ids);
    }
    if (drawn.empty()) told_before_the_end = told[0].size();
  }
  EXPECT_EQ(drawn.size(), 4u);
  EXPECT_EQ(told, drawn);
  EXPECT_GT(told_before_the_end, 10u);
  EXPECT_GT(decoder.stats().preemptions, 0u);
}

TEST_P(Golden, ReportedLogprobsAreTheBitsThatScoringGives) {
  Decoder decoder = Make();
  for (const double temperature : {1.0, 0.0}) {
    GroupRequest request = Request(golden_.texts[0].ids, {4, 9}, 60);
    request.sampling.temperature = temperature;
    for (const SampledCompletion& completion : GenerateAll(decoder, {request})) {
      std::vector<int32_t> text = request.prompt_ids;
      text.insert(text.end(), completion.ids.begin(), completion.ids.end());
      const std::vector<float> scores = decoder.Score(text);
      const std::vector<float> tail(scores.end() - static_cast<ptrdiff_t>(completion.ids.size()),
                                    scores.end());
      EXPECT_EQ(completion.rollout_logprobs, tail);
    }
  }
}

TEST_P(Golden, Bf16StorageOfBf16WeightsGivesTheSameBits) {
  // The golden weights are bf16 numbers, so rounding them to bf16 loses nothing.
  DecoderOptions halves;
  halves.dtype = policy::Dtype::kBFloat16;
  Decoder a = Make(), b = Make(halves);
  EXPECT_EQ(a.Score(golden_.texts[2].ids), b.Score(golden_.texts[2].ids));
}

TEST_P(Golden, SwappedWeightsTakeTheirPlaceAndComeBack) {
  Decoder decoder = Make();
  const std::vector<float> before = decoder.Score(golden_.texts[1].ids);
  policy::WeightMap changed = golden_.weights;
  changed["model.layers.1.self_attn.q_proj.weight"] =
      changed["model.layers.1.self_attn.q_proj.weight"] * 1.5;
  decoder.SwapWeights(changed, 4);
  EXPECT_EQ(decoder.policy_version(), 4);
  EXPECT_NE(decoder.Score(golden_.texts[1].ids), before);
  decoder.SwapWeights(golden_.weights, 5);
  EXPECT_EQ(decoder.Score(golden_.texts[1].ids), before);
}

TEST_P(Golden, EndsAtAStopTokenWhichItKeeps) {
  Decoder decoder = Make();
  GroupRequest request = Request(golden_.greedy_prompt, {0}, 24);
  request.sampling.temperature = 0;
  request.sampling.stop_ids = {63, golden_.greedy_ids[0]};
  const SampledCompletion completion = GenerateAll(decoder, {request}).at(0);
  EXPECT_EQ(completion.ids, std::vector<int32_t>{golden_.greedy_ids[0]});
  EXPECT_EQ(completion.finish_reason, FinishReason::kStop);
}

TEST_P(Golden, EndsAtTheLastPositionOfTheContext) {
  Decoder decoder = Make();
  std::vector<int32_t> prompt(golden_.texts[2].ids);
  prompt.resize(100, 1);
  const std::vector<SampledCompletion> completions =
      GenerateAll(decoder, {Request(prompt, {1, 2}, 1000)});
  for (const SampledCompletion& completion : completions) {
    EXPECT_EQ(completion.ids.size(), 28u);  // 100 + 28 = 128 positions
    EXPECT_EQ(completion.finish_reason, FinishReason::kLength);
  }
}

TEST_P(Golden, ComputesAGroupsPromptOnce) {
  Decoder decoder = Make();
  GenerateAll(decoder, {Request(golden_.texts[1].ids, {1, 2, 3, 4, 5, 6, 7, 8}, 10)});
  EXPECT_EQ(decoder.stats().prefill_tokens, 40u);
  EXPECT_EQ(decoder.stats().decode_tokens,
            8u * 9u);  // the first of 10 comes from the prompt's logits
}

TEST_P(Golden, ACancelledGroupLeavesNoTraceInTheOthers) {
  Decoder decoder = Make();
  const GroupRequest kept = Request(golden_.texts[1].ids, {1, 2}, 30);
  const std::vector<SampledCompletion> expected = GenerateAll(decoder, {kept});
  GroupRequest dropped = kept;
  dropped.group_id = 77;
  GroupRequest queued = kept;
  queued.group_id = 78;
  decoder.Submit(dropped);
  decoder.Submit(kept);
  for (int step = 0; step < 5; ++step) EXPECT_TRUE(decoder.Step().empty());
  EXPECT_EQ(decoder.num_running(), 4);
  decoder.Submit(queued);
  decoder.Cancel(77);
  decoder.Cancel(78);
  EXPECT_EQ(decoder.num_running(), 2);
  EXPECT_EQ(decoder.num_waiting(), 0);
  std::vector<SampledCompletion> completions;
  while (!decoder.Idle()) {
    for (SampledCompletion& completion : decoder.Step())
      completions.push_back(std::move(completion));
  }
  std::sort(completions.begin(), completions.end(),
            [](const SampledCompletion& a, const SampledCompletion& b) {
              return a.sample_id < b.sample_id;
            });
  ExpectSame(completions, expected, "after a cancellation");
}

template <class Call>
std::string RefusalOf(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code() == ErrorCode::kUsage ? error.what()
                                             : "another code: " + std::string(error.what());
  }
  return "no error";
}

TEST_P(Golden, RefusesWhatItCannotRunWithTheReason) {
  Decoder decoder = Make();
  const auto refusal = [&](GroupRequest request) {
    return RefusalOf([&] { decoder.Submit(request); });
  };
  EXPECT_THAT(refusal(Request({}, {1}, 5)), HasSubstr("empty"));
  EXPECT_THAT(refusal(Request({1}, {}, 5)), HasSubstr("no sample"));
  EXPECT_THAT(refusal(Request({1, 64}, {1}, 5)), HasSubstr("outside the vocabulary of 64"));
  EXPECT_THAT(refusal(Request({1, -1}, {1}, 5)), HasSubstr("id -1"));
  EXPECT_THAT(refusal(Request(std::vector<int32_t>(128, 1), {1}, 5)), HasSubstr("context of 128"));
  EXPECT_THAT(refusal(Request({1}, {1}, 0)), HasSubstr("max_new_tokens"));
  GroupRequest request = Request({1}, {1}, 5);
  request.sampling.temperature = -1;
  EXPECT_THAT(refusal(request), HasSubstr("temperature"));
  request.sampling = {.top_p = 0};
  EXPECT_THAT(refusal(request), HasSubstr("top_p"));
  EXPECT_THAT(RefusalOf([&] { decoder.Score(std::vector<int32_t>(129, 1)); }),
              HasSubstr("context of 128"));

  DecoderOptions options{.kv_cache_bytes = 40000};
  EXPECT_THAT(RefusalOf([&] { Make(options).Submit(Request({1}, {1}, 120)); }),
              HasSubstr("KV cache"));
  options.kv_cache_bytes = 100;
  EXPECT_THAT(RefusalOf([&] { Make(options); }), HasSubstr("holds no block"));
  golden_.weights.erase("model.norm.weight");
  EXPECT_THAT(RefusalOf([&] { Make(); }), HasSubstr("'model.norm.weight'"));
  golden_.weights["model.norm.weight"] = at::ones({31});
  EXPECT_THAT(RefusalOf([&] { Make(); }), HasSubstr("[31]"));
}

TEST_P(Golden, RefusesNewWeightsAndScoresWhileSamplesRun) {
  Decoder decoder = Make();
  decoder.Submit(Request({1}, {1}, 5));
  EXPECT_THAT(RefusalOf([&] { decoder.SwapWeights(golden_.weights, 4); }),
              HasSubstr("while samples are running"));
  EXPECT_THAT(RefusalOf([&] { decoder.Score(golden_.texts[0].ids); }),
              HasSubstr("while samples are running"));
  decoder.Cancel(0);
  EXPECT_NO_THROW(decoder.SwapWeights(golden_.weights, 4));
}

TEST_P(Golden, LogitsThatAreNotFiniteEndTheRunAsDivergedAndLeaveTheDecoderUsable) {
  Decoder decoder = Make();
  const std::vector<float> before = decoder.Score(golden_.texts[0].ids);
  policy::WeightMap broken = golden_.weights;
  broken["model.norm.weight"] = at::full({32}, std::numeric_limits<float>::quiet_NaN());
  decoder.SwapWeights(broken, 4);
  decoder.Submit(Request(golden_.texts[0].ids, {1, 2}, 5));
  try {
    decoder.Step();
    FAIL() << "sampled from NaN";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDiverged);
  }
  EXPECT_TRUE(decoder.Idle());
  decoder.SwapWeights(golden_.weights, 5);
  EXPECT_EQ(decoder.Score(golden_.texts[0].ids), before);
}

TEST(CpuDecoder, RefusesAModelLargerThanMemory) {
  policy::ModelConfig config;
  config.vocab_size = 100000;
  config.width = 65536;
  config.num_layers = 200;
  config.attention.num_heads = config.attention.num_kv_heads = 512;
  config.attention.head_dim = 128;
  config.ffn_width = 200000;
  config.max_positions = 4096;
  try {
    MakeCpuDecoder(config, policy::WeightMap(), {}, 0);
    FAIL() << "took a model of many TiB";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_THAT(error.what(), HasSubstr("MiB are available"));
  }
}

}  // namespace
}  // namespace cohort::rollout
