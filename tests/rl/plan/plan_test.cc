#include "rl/plan/plan.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace cohort::rl {
namespace {

policy::ModelConfig DeepSeekV3() {
  return policy::ReadConfig(COHORT_SOURCE_DIR "/recipes/configs/deepseek-v3.json");
}

policy::ModelConfig TinyLlama() {
  return policy::ReadConfig(COHORT_GOLDEN_DIR "/policy/tiny_llama/config.json");
}

PlanOptions OnH800() {
  PlanOptions options;
  options.machine = FindMachine("h800");
  return options;
}

// arXiv 2505.09343 table 2 at a context of 4096: 250 GFLOPs a token.
TEST(TrainingPlan, NeedsTheOperationsATokenThatArePublished) {
  EXPECT_NEAR(TrainingFlopsPerToken(DeepSeekV3(), 4096), 250e9, 1e9);
}

// arXiv 2412.19437 table 1: 2.664M H800 hours of pre-training at $2.
TEST(TrainingPlan, CostsWhatDeepSeekV3PaidAtItsUtilization) {
  const PublishedRun published;
  const TrainingCost cost =
      CostOfTraining(TrainingFlopsPerToken(DeepSeekV3(), 4096), published.tokens,
                     FindMachine("h800"), published.utilization);
  EXPECT_NEAR(cost.device_hours, published.pretraining_hours, 0.01 * published.pretraining_hours);
  EXPECT_NEAR(cost.dollars, 5.328e6, 0.01 * 5.328e6);
}

TEST(TrainingPlan, SplitsMemoryOverTheRanks) {
  const double dense = 671026419200.0 - 58 * 256 * 44040192.0;
  const double experts = 58 * 256 * 44040192.0;
  const RankMemory one = MemoryPerRank(DeepSeekV3(), {});
  EXPECT_DOUBLE_EQ(one.weights, 2 * (dense + experts));
  EXPECT_DOUBLE_EQ(one.optimizer, 12 * (dense + experts));
  EXPECT_DOUBLE_EQ(one.activations, 2.0 * 61 * 7168 * 4096);
  const RankMemory many = MemoryPerRank(DeepSeekV3(), {.data = 128, .expert = 64, .tensor = 2});
  EXPECT_DOUBLE_EQ(many.weights, 2 * (dense / 2 + experts / 128));
  EXPECT_DOUBLE_EQ(many.gradients, 2 * many.weights);
  EXPECT_DOUBLE_EQ(many.optimizer, 12 * (dense / 2 / 128 + experts / 128 / 2));
}

TEST(TrainingPlan, RefusesALayoutThatDoesNotDivideTheModel) {
  EXPECT_NO_THROW(CheckLayout(DeepSeekV3(), {.data = 64, .expert = 64, .tensor = 8}));
  EXPECT_THROW(CheckLayout(DeepSeekV3(), {.data = 60, .expert = 60}), Error);
  EXPECT_THROW(CheckLayout(DeepSeekV3(), {.data = 8, .expert = 16}), Error);
  EXPECT_THROW(CheckLayout(DeepSeekV3(), {.tensor = 3}), Error);
  try {
    CheckLayout(TinyLlama(), {.data = 2, .expert = 2});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("no experts"), std::string::npos);
  }
}

// Eight distinct experts at batch 1; nearly all 256 at batch 256.
TEST(ServingPlan, ReadsTheExpertsThatABatchTouches) {
  DecodeLoad load{.dtype = policy::Dtype::kFloat8E4m3, .batch = 1, .context = 1};
  EXPECT_NEAR(PlanDecoding(DeepSeekV3(), FindMachine("h800"), load).experts_read, 8, 1e-9);
  load.batch = 256;
  EXPECT_NEAR(PlanDecoding(DeepSeekV3(), FindMachine("h800"), load).experts_read, 256, 0.1);
}

TEST(ServingPlan, IsBoundByBandwidthAloneAndByArithmeticInALargeBatch) {
  const Machine machine = FindMachine("h200");
  DecodeLoad load{.batch = 1, .context = 128, .devices = 1};
  const DecodeRoofline alone = PlanDecoding(TinyLlama(), machine, load);
  EXPECT_GT(alone.bandwidth_s, alone.arithmetic_s);
  EXPECT_DOUBLE_EQ(alone.tokens_per_s, 1 / alone.bandwidth_s);
  load.batch = 1 << 16;
  load.context = 1;
  const DecodeRoofline many = PlanDecoding(DeepSeekV3(), machine, load);
  EXPECT_LT(many.bandwidth_s, many.arithmetic_s);
  EXPECT_DOUBLE_EQ(many.tokens_per_s, (1 << 16) / many.arithmetic_s);
}

TEST(ServingPlan, TakesTheFewestDevicesThatHoldTheModel) {
  const DecodeLoad load{.dtype = policy::Dtype::kFloat8E4m3, .batch = 1, .context = 4096};
  // DeepSeek's own advice for fp8: 8 of the larger card, or 16 of the smaller.
  EXPECT_LE(PlanDecoding(DeepSeekV3(), FindMachine("h200"), load).devices, 8);
  const int64_t small = PlanDecoding(DeepSeekV3(), FindMachine("h800"), load).devices;
  EXPECT_GT(small, 8);
  EXPECT_LE(small, 16);
}

TEST(ServingPlan, PricesTokensByTheHour) {
  DecodeRoofline roofline;
  roofline.devices = 8;
  roofline.tokens_per_s = 14800;  // a node of 8 H800, DeepSeek's inference system overview
  EXPECT_NEAR(DollarsPerMillionTokens(roofline, FindMachine("h800")), 0.3003, 1e-4);
}

TEST(Plan, GivesEveryNumberAFormula) {
  for (const policy::ModelConfig& config : {DeepSeekV3(), TinyLlama()}) {
    const nlohmann::json json = PlanToJson(MakePlan(config, OnH800()));
    for (const auto& [key, value] : json.items()) {
      if (key == "formulas") continue;
      EXPECT_TRUE(value.is_number()) << key;
      EXPECT_FALSE(json.at("formulas").at(key).get<std::string>().empty()) << key;
    }
  }
  const nlohmann::json json = PlanToJson(MakePlan(DeepSeekV3(), OnH800()));
  EXPECT_EQ(json.at("parameters_total"), 671026419200);
  EXPECT_EQ(json.at("kv_bytes_per_token"), 70272);
}

TEST(Plan, WritesOneLineANumber) {
  const std::string text = PlanToText(MakePlan(DeepSeekV3(), OnH800()));
  for (const char* part : {"671.03B", "37.55B", "36.63B", "without the 1 multi-token-prediction"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
}

TEST(Plan, NamesTheNearestMachine) {
  try {
    FindMachine("h20");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("h20"), std::string::npos);
  }
}

}  // namespace
}  // namespace cohort::rl
