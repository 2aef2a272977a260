#include "rl/commands/sft_benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "rl/commands/commands.h"
#include "rl/commands/product_share.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;

const std::string kModel = std::string(COHORT_GOLDEN_DIR) + "/policy/tiny_moe";

std::string ErrorOf(const SftBenchmarkOptions& options) {
  try {
    RunSftBenchmark(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return error.what() + (" | " + error.hint());
  }
  return "no error";
}

TEST(SftBenchmark, ReportsTokensASecondAndTheShareOfTheFastestProductRate) {
  for (const bool bf16 : {false, true}) {
    const nlohmann::json result = RunSftBenchmark(
        {.model = kModel, .steps = 2, .warmup = 1, .sequences = 2, .tokens = 12, .bf16 = bf16});
    EXPECT_EQ(result["precision"], bf16 ? "bfloat16" : "float32");
    for (const char* figure : {"step_s", "forward_backward_s", "update_s", "products_gflop_per_s",
                               "own_float32_gflop_per_s", "own_bfloat16_gflop_per_s",
                               "libtorch_float32_gflop_per_s", "libtorch_bfloat16_gflop_per_s"}) {
      EXPECT_GT(result[figure].get<double>(), 0) << figure;
    }
    EXPECT_DOUBLE_EQ(result["tokens_per_s"], 2 * 12 / result["step_s"].get<double>());
    const double share = result["share_of_fastest_rate"];
    EXPECT_GT(share, 0);
    EXPECT_LT(share, 1);
    EXPECT_LE(share, result["share_of_own_rate"].get<double>());
  }
}

TEST(SftBenchmark, RefusesWhatMeasuresNothing) {
  EXPECT_EQ(ErrorOf({.model = kModel, .tokens = 8, .prompt_tokens = 8}),
            "nothing to measure: all 8 tokens of a sequence are prompt, none is learnt | "
            "lower --prompt-tokens (8) or raise --tokens");
  EXPECT_THAT(ErrorOf({.model = kModel, .tokens = 1'000'000}),
              HasSubstr("a sequence of 1000000 tokens is longer than the model's context of "));
}

TEST(BenchCommand, RefusesAPrecisionThatDoesNotExistWithThoseThatDo) {
  for (const char* what : {"prefill", "sft", "step"}) {
    std::string words[] = {"bench", what, "--model", kModel, "--precision", "bfloat8"};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    testing::internal::CaptureStderr();
    EXPECT_EQ(RunBench(static_cast<int>(argv.size()), argv.data()), 2);
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                HasSubstr("--precision: bfloat8 not in {float32,bfloat16"))
        << what;
  }
}

TEST(BenchCommand, PrefillPrintsTheShareOfEachBatch) {
  std::string words[] = {"bench",           "prefill", "--model",     kModel,     "--batch", "1,3",
                         "--prompt-tokens", "9",       "--precision", "bfloat16", "--json"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  testing::internal::CaptureStdout();
  EXPECT_EQ(RunBench(static_cast<int>(argv.size()), argv.data()), 0);
  const auto result = nlohmann::json::parse(testing::internal::GetCapturedStdout());
  ASSERT_EQ(result["batches"].size(), 2u);
  for (const nlohmann::json& one : result["batches"]) {
    EXPECT_GT(one["prefill_tokens_per_s"].get<double>(), 0);
    EXPECT_GT(one["share_of_fastest_rate"].get<double>(), 0);
    EXPECT_LT(one["share_of_fastest_rate"].get<double>(), 1);
  }
  EXPECT_EQ(result["precision"], "bfloat16");
}

TEST(ProductShare, IsOfTheRateOfThePrecisionAndOfTheFastest) {
  const ProductRates rates = {
      .own_float32 = 200, .own_bfloat16 = 400, .libtorch_float32 = 300, .libtorch_bfloat16 = 1000};
  const nlohmann::json fp32 = ProductShare({.flops = 5e11, .seconds = 5}, rates);
  EXPECT_DOUBLE_EQ(fp32["products_gflop_per_s"], 100);
  EXPECT_DOUBLE_EQ(fp32["share_of_own_rate"], 0.5);
  EXPECT_DOUBLE_EQ(fp32["share_of_fastest_rate"], 0.1);
  EXPECT_EQ(fp32["fastest_products"], "libtorch_bfloat16");
  const nlohmann::json bf16 = ProductShare({.flops = 5e11, .seconds = 5, .bf16 = true}, rates);
  EXPECT_DOUBLE_EQ(bf16["share_of_own_rate"], 0.25);
}

TEST(ProductShare, IsNullWhereNothingWasComputed) {
  const nlohmann::json none = ProductShare({.flops = 0, .seconds = 0}, {.own_float32 = 200});
  EXPECT_TRUE(none["share_of_own_rate"].is_null());
  EXPECT_TRUE(none["share_of_fastest_rate"].is_null());
  EXPECT_EQ(none["products_gflop_per_s"], 0);
}

}  // namespace
}  // namespace cohort::rl
