#include "rl/plan/plan.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "policy/transformer/ops/logprobs.h"
#include "policy/weights/weights.h"
#include "tests/policy/small_dense_config.h"

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

// By hand: a layer's matrices are q and o of 4 x 4, k and v of 2 x 4, three of 6 x 4; the head is
// 10 x 4. Two operations a multiplied weight and token, 2 (query + value width) a pair and head.
TEST(TrainingPlan, CountsTheOperationsOfAPassOverGroups) {
  policy::ModelConfig config;
  config.family = "llama";
  config.vocab_size = 10;
  config.width = 4;
  config.num_layers = 1;
  config.attention.num_heads = 2;
  config.attention.num_kv_heads = 1;
  config.attention.head_dim = 2;
  config.ffn_width = 6;
  config.tie_embeddings = false;
  const double norms = 3 * 4;  // counted with the matrices
  const double token = 2 * (2 * 16 + 2 * 8 + 3 * 24 + norms), row = 2 * 40, pair = 2 * 2 * (2 + 2);
  // A prompt of 3, and 2 completions of which 2 tokens each follow it: pairs 1+2+3, 2 x (4+5).
  const TokenRange group[] = {{0, 3, 1}, {3, 2, 2}};
  EXPECT_DOUBLE_EQ(ForwardFlops(config, group, 6), 7 * token + 6 * row + (6 + 18) * pair);
  config.attention.sliding_window = 2;  // pairs 1+2+2, 2 x (2+2)
  EXPECT_DOUBLE_EQ(ForwardFlops(config, group, 6), 7 * token + 6 * row + (5 + 8) * pair);
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

// q_proj [64, 64] and v_proj [32, 64] of two layers with rank 8; all-linear adds k, o, gate, up,
// down.
TEST(LocalRun, CountsTheParametersOfAdapters) {
  const policy::ModelConfig config = policy::SmallDenseConfig();
  EXPECT_EQ(AdapterParameters(config, 8, {"q_proj", "v_proj"}), 2 * 8 * (128 + 96));
  EXPECT_EQ(AdapterParameters(config, 8, {"all-linear"}), 2 * 8 * (128 + 96 + 96 + 128 + 3 * 164));
  EXPECT_EQ(AdapterParameters(config, 8, {"lm_head"}), 0);
}

// Two layers of 3 experts of width 10 with their biases, rank 8; the shared expert is 20 wide.
TEST(LocalRun, CountsTheAdaptersOfExpertsByTheNamesInAFolder) {
  policy::ModelConfig config = policy::SmallDenseConfig();
  config.moe.num_experts = 3;
  config.moe.experts_per_token = 1;
  config.moe.expert_width = 10;
  config.moe.selection_bias = false;
  config.moe.router_bias = config.moe.expert_bias = true;
  config.family = "gpt_oss";
  const int64_t attention = 2 * 8 * (128 + 96 + 96 + 128), expert = 8 * (64 + 10);
  EXPECT_EQ(AdapterParameters(config, 8, {"all-linear"}), attention + 2 * 3 * 3 * expert);
  EXPECT_EQ(AdapterParameters(config, 8, {"up_proj"}), 2 * 3 * expert);
  config.moe.router_bias = config.moe.expert_bias = false;
  config.family = "mixtral";
  EXPECT_EQ(AdapterParameters(config, 8, {"w1"}), 2 * 3 * expert);
  config.family = "qwen2_moe";
  config.moe.shared_width = 20;
  config.moe.shared_gate = true;
  EXPECT_EQ(AdapterParameters(config, 8, {"all-linear"}),
            attention + 2 * 3 * 3 * expert + 2 * 8 * (3 * (64 + 20) + 64 + 1));
  EXPECT_EQ(AdapterParameters(config, 8, {"shared_expert.up_proj"}), 2 * 8 * (64 + 20));
}

TEST(LocalRun, HoldsAReferenceWhereThereIsAKlTermAndAdaptersTrainLittle) {
  const policy::ModelConfig config = TinyLlama();
  const auto parameters = static_cast<double>(policy::CountParameters(config));
  LocalRun run;
  const LocalMemory plain = MemoryOf(config, run);
  EXPECT_GE(plain.weights, 4 * parameters);
  EXPECT_LE(plain.weights, 4 * parameters + 64 * 100) << "its tensors lie on no huge pages";
  EXPECT_EQ(plain.gradients, plain.weights);
  EXPECT_EQ(plain.optimizer, 8 * parameters) << "each moment of all in one block";
  LocalRun in_bf16 = run;
  in_bf16.bf16_moments = true;
  EXPECT_EQ(MemoryOf(config, in_bf16).optimizer, 4 * parameters);
  in_bf16.masters = false;
  EXPECT_EQ(MemoryOf(config, in_bf16).weights, plain.weights / 2);
  EXPECT_EQ(MemoryOf(config, in_bf16).gradients, plain.weights / 2);
  EXPECT_EQ(MemoryOf(config, in_bf16).optimizer, 4 * parameters);
  EXPECT_EQ(plain.images, 4 * parameters);
  EXPECT_EQ(plain.worker_weights, 4 * parameters);
  EXPECT_EQ(plain.reference, 0);
  EXPECT_EQ(plain.merged, 0);
  run.reference = true;
  EXPECT_DOUBLE_EQ(MemoryOf(config, run).tensors() - plain.tensors(), plain.weights);
  run.adapter_parameters = 1000;
  const LocalMemory adapters = MemoryOf(config, run);
  EXPECT_EQ(adapters.optimizer, 8 * 1000);
  EXPECT_EQ(adapters.reference, adapters.gradients) << "a copy of the adapters alone";
  run.rollout_dtype = policy::Dtype::kBFloat16;
  EXPECT_EQ(MemoryOf(config, run).images, 2 * parameters);
  EXPECT_EQ(plain.worker_mapped, 4 * parameters);
  EXPECT_NEAR(plain.total(2) - plain.total(1), plain.worker() - plain.worker_mapped, 1)
      << "all map the learner's image";
  EXPECT_NEAR(plain.total(1) - plain.held(1),
              plain.activations + plain.logits + plain.spare + plain.worker_cache, 1);
}

// 100 rows of 50,000 logits are kept: 20 MB and as much again for their gradient, beside that of
// the head. 2,000 rows would be 400 MB: a chunk of 256 at a time.
TEST(LocalRun, CountsLogitsThatAreKeptAndThoseThatAreMadeInChunks) {
  EXPECT_EQ(policy::LogprobsBytes(100, 50'000, 64, true), 4 * 50'000 * (100 + 100 + 64));
  EXPECT_EQ(policy::LogprobsBytes(100, 50'000, 64, false), 4 * 50'000 * (100 + 100));
  EXPECT_EQ(policy::LogprobsBytes(2'000, 50'000, 64, false), 4 * 50'000 * 2 * 256);
}

TEST(LocalRun, AStepsPartsAreOperationsAndBytesOverTheMachinesRates) {
  const policy::ModelConfig config = TinyLlama();
  Machine machine = FindMachine("h800");
  machine.fp32_flops = 1e9;
  machine.read_bytes_per_s = 1e9;
  LocalRun run{.prompts = 4, .group_size = 8, .prompt_tokens = 16, .new_tokens = 32, .updates = 2};
  const LocalStep step = StepOf(config, run, machine, 0.5);
  const double tokens = 4 * 16 + 32 * 32;
  EXPECT_NEAR(step.forward_backward_s, tokens * TrainingFlopsPerToken(config, 48) / 5e8, 1e-12);
  EXPECT_NEAR(step.old_logprobs_s, step.forward_backward_s / 3 / 2, 1e-12);
  EXPECT_EQ(step.ref_logprobs_s, 0);
  EXPECT_NEAR(step.optimizer_s, 2 * 28 * static_cast<double>(policy::CountParameters(config)) / 1e9,
              1e-12);
  run.reference = true;
  EXPECT_NEAR(StepOf(config, run, machine, 0.5).total() - step.total(), step.forward_backward_s / 3,
              1e-12);
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

TEST(ServingPlan, ReadsTheWindowAloneInLayersThatHaveOne) {
  policy::ModelConfig config = policy::SmallDenseConfig();
  config.num_layers = 4;
  const DecodeLoad load{.batch = 3, .context = 200, .devices = 1};
  const Machine machine = FindMachine("h800");
  const DecodeRoofline full = PlanDecoding(config, machine, load);
  config.attention.sliding_window = 50;
  config.attention.full_layers = {3};
  const DecodeRoofline windowed = PlanDecoding(config, machine, load);
  EXPECT_EQ(full.cache_bytes, 2 * 3 * 4 * 200 * (2 * 2 * 16));
  EXPECT_EQ(windowed.cache_bytes, 2 * 3 * (200 + 3 * 50) * (2 * 2 * 16));
  EXPECT_EQ(full.flops - windowed.flops, 3 * 3 * 150 * (2.0 * 4 * 2 * 16));
}

// A row of 200 tokens sees 100.5 on average, counted as half; in a window of 50 its first 50 see
// half of it and the others all: (50 * 25 + 150 * 50) / 200.
TEST(TrainingPlan, CountsThePairsThatAWindowLeaves) {
  policy::ModelConfig config = policy::SmallDenseConfig();
  const double full = TrainingFlopsPerToken(config, 200);
  config.attention.sliding_window = 50;
  const double pair = 3 * 2.0 * 4 * (16 + 16);
  EXPECT_DOUBLE_EQ(full - TrainingFlopsPerToken(config, 200), 2 * pair * (100 - 43.75));
  EXPECT_DOUBLE_EQ(TrainingFlopsPerToken(config, 50), full - 2 * pair * 75);
}

// Two groups of four samples of 250 tokens, in blocks of 32: a group has the six whole ones of its
// prompt of 200 once, a sample two more.
TEST(LocalRun, AWorkersCacheHoldsWindowsAndOnceMoreThePromptsThatSamplesHaveLeft) {
  policy::ModelConfig config = policy::SmallDenseConfig();
  const LocalRun run{.prompts = 2, .group_size = 4, .prompt_tokens = 200, .new_tokens = 50};
  const int64_t layer = 2 * 2 * 16;
  EXPECT_EQ(MemoryOf(config, run).worker_cache, 4 * (2 * 192 + 8 * 64) * 2 * layer);
  LocalRun evaluated = run;
  evaluated.evaluated = 10;
  EXPECT_EQ(MemoryOf(config, evaluated).worker_cache, 4 * 10 * 256 * 2 * layer)
      << "problems of one sample each";
  config.attention.sliding_window = 60;
  EXPECT_EQ(MemoryOf(config, run).worker_cache, 4 * (8 + 2) * 60 * 2 * layer);
  config.attention.full_layers = {0};
  EXPECT_EQ(MemoryOf(config, run).worker_cache, 4 * (8 * (250 + 60) + 2 * (200 + 60)) * layer);
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
  for (const char* key : {"run_reference_bytes", "run_logits_bytes", "run_activations_bytes",
                          "run_worker_bytes", "step_decode_s", "step_s"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
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

TEST(Plan, HasNoBytesInAFormThatTheFamilyDoesNotHave) {
  policy::ModelConfig config = policy::SmallDenseConfig();
  config.moe.num_experts = 4;
  config.moe.experts_per_token = 2;
  config.moe.expert_width = 10;
  for (const char* family : {"qwen3_moe", "gpt_oss"}) {
    config.family = family;
    const nlohmann::json plan = PlanToJson(MakePlan(config, OnH800()));
    EXPECT_TRUE(plan.contains("bytes_bfloat16"));
    EXPECT_EQ(plan.contains("bytes_fp8"), std::string(family) == "qwen3_moe");
  }
  PlanOptions options = OnH800();
  options.load.dtype = policy::Dtype::kFloat8E4m3;
  EXPECT_THROW(MakePlan(config, options), Error);
}

}  // namespace
}  // namespace cohort::rl
