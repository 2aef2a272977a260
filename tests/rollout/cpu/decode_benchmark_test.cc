#include "rollout/cpu/decode_benchmark.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/rollout/golden_model.h"

namespace cohort::rollout {
namespace {

TEST(DecodeBenchmark, ReportsASpeedForEachBatch) {
  const GoldenModel golden = ReadGolden("glm4_moe");
  for (const bool shared : {false, true}) {
    DecodeBenchmark benchmark{
        .batches = {1, 3}, .prompt_tokens = 8, .new_tokens = 16, .shared_prompt = shared};
    benchmark.decoder.num_threads = 1;
    policy::WeightsInMemory weights(golden.weights);
    const DecodeBenchmarkResult result = RunDecodeBenchmark(golden.config, weights, benchmark);
    ASSERT_EQ(result.speeds.size(), 2u);
    EXPECT_EQ(result.speeds[0].batch, 1);
    EXPECT_EQ(result.speeds[1].batch, 3);
    EXPECT_EQ(result.threads, 1);
    for (const DecodeSpeed& speed : result.speeds) {
      EXPECT_GT(speed.decode_tokens_per_s, 0);
      EXPECT_GT(speed.prefill_tokens_per_s, 0);
    }
  }
}

TEST(DecodeBenchmark, MeasuresPromptsAlone) {
  const GoldenModel golden = ReadGolden("llama");
  policy::WeightsInMemory weights(golden.weights);
  const DecodeBenchmarkResult result = RunDecodeBenchmark(
      golden.config, weights,
      {.batches = {2}, .prompt_tokens = 8, .new_tokens = 1, .decodes = false, .repeats = 2});
  ASSERT_EQ(result.speeds.size(), 1u);
  EXPECT_GT(result.speeds[0].prefill_tokens_per_s, 0);
  EXPECT_EQ(result.speeds[0].decode_tokens_per_s, 0);
}

TEST(DecodeBenchmark, RefusesSizesThatMeasureNothing) {
  const GoldenModel golden = ReadGolden("llama");
  policy::WeightsInMemory weights(golden.weights);
  EXPECT_THROW(RunDecodeBenchmark(golden.config, weights, {.batches = {0}}), Error);
  EXPECT_THROW(RunDecodeBenchmark(golden.config, weights, {.new_tokens = 1}), Error);
  EXPECT_THROW(RunDecodeBenchmark(golden.config, weights, {.decodes = false, .repeats = 0}), Error);
}

}  // namespace
}  // namespace cohort::rollout
