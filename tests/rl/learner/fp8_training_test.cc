// Training in FP8 beside training in bf16, on the same stream of tokens.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>

#include "policy/weights/weights.h"
#include "rl/learner/learner.h"

namespace cohort::rl {
namespace {

// A DeepSeek-V3 with whole and partial blocks: 144 = 128 + 16 latent and rotated channels.
policy::ModelConfig SmallMoe() {
  policy::ModelConfig config;
  config.family = "deepseek_v3";
  config.vocab_size = 64;
  config.width = 192;
  config.num_layers = 2;
  config.attention.kind = policy::AttentionKind::kLatent;
  config.attention.num_heads = 3;
  config.attention.kv_lora_rank = 128;
  config.attention.qk_nope_head_dim = 32;
  config.attention.qk_rope_head_dim = 16;
  config.attention.v_head_dim = 32;
  config.rope.interleaved = true;
  config.ffn_width = 256;
  config.max_positions = 64;
  config.tie_embeddings = false;
  config.moe.num_experts = 4;
  config.moe.experts_per_token = 2;
  config.moe.expert_width = 96;
  config.moe.shared_width = 96;
  config.moe.first_dense_layers = 1;
  return config;
}

// Walks whose every step is one of four, unequally likely: a loss that ends above 1 nat.
std::vector<TrainingSequence> Stream(int step) {
  std::mt19937 generator(static_cast<uint32_t>(step));
  std::discrete_distribution<int> step_size({4, 3, 2, 1});
  std::vector<TrainingSequence> sequences(16);
  for (TrainingSequence& sequence : sequences) {
    int at = static_cast<int>(generator() % 64);
    for (int i = 0; i < 48; ++i) {
      sequence.ids.push_back(at);
      at = (at * 5 + 7 * step_size(generator) + 1) % 64;
    }
    sequence.prompt_length = 1;
  }
  return sequences;
}

std::vector<double> Losses(kernels::Numerics numerics, int steps) {
  LearnerOptions options;
  options.numerics = numerics;
  const policy::ModelConfig config = SmallMoe();
  Learner learner(config, policy::InitialWeights(config, 1), options);
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    losses.push_back(learner.SftUpdate(Stream(step), 3e-3).loss);
  }
  return losses;
}

double Mean(const std::vector<double>& values, size_t last) {
  return std::accumulate(values.end() - static_cast<std::ptrdiff_t>(last), values.end(), 0.0) /
         static_cast<double>(last);
}

TEST(Fp8Training, ThirtyStepsHaveTheLossOfBf16WithinAPercent) {
  const std::vector<double> bf16 = Losses(kernels::Numerics::kBf16Dot, 30),
                            fp8 = Losses(kernels::Numerics::kFp8Blocks, 30);
  EXPECT_NEAR(bf16[0], std::log(64), 0.1);
  EXPECT_LT(bf16.back(), bf16[0] - 0.3);
  double largest = 0;
  for (size_t i = 0; i < bf16.size(); ++i) {
    largest = std::max(largest, std::fabs(fp8[i] / bf16[i] - 1));
  }
  EXPECT_GT(largest, 0) << "FP8 was not used";
  EXPECT_LT(largest, 0.01);
  EXPECT_NEAR(Mean(fp8, 30) / Mean(bf16, 30), 1, 0.0025);
}

TEST(Fp8Training, RepeatsItsBits) {
  EXPECT_EQ(Losses(kernels::Numerics::kFp8Blocks, 5), Losses(kernels::Numerics::kFp8Blocks, 5));
}

// Takes minutes: with --gtest_also_run_disabled_tests. The bound is that of DeepSeek-V3's report
// (arXiv 2412.19437 section 3.3).
TEST(Fp8Training, DISABLED_FiveHundredStepsHaveTheLossOfBf16WithinAQuarterOfAPercent) {
  constexpr int kSteps = 500;
  const std::vector<double> fp32 = Losses(kernels::Numerics::kFloat32, kSteps),
                            bf16 = Losses(kernels::Numerics::kBf16Dot, kSteps),
                            fp8 = Losses(kernels::Numerics::kFp8Blocks, kSteps);
  for (const size_t last : {500, 100, 20}) {
    std::printf("mean of the last %zu steps: fp32 %.5f, bf16 %.5f, fp8 %.5f\n", last,
                Mean(fp32, last), Mean(bf16, last), Mean(fp8, last));
    EXPECT_NEAR(Mean(fp8, last) / Mean(bf16, last), 1, 0.0025);
  }
}

}  // namespace
}  // namespace cohort::rl
