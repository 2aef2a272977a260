#include "policy/transformer/activation_memory.h"

#include <gtest/gtest.h>

#include "tests/fakes/held_bytes_counter.h"
#include "tests/policy/family_golden.h"
#include "tests/policy/golden_model.h"
#include "tests/policy/small_dense_config.h"

namespace cohort::policy {
namespace {

// Counted by hand from the modules: a dense layer keeps the inputs and outputs of two norms (4 D),
// q, k, v and what attention gives, and gate, up and their product; the final norm keeps 2 D.
TEST(ActivationMemory, CountsWhatTheForwardPassKeepsOfAToken) {
  ModelConfig config = SmallDenseConfig();
  EXPECT_EQ(KeptActivationsPerToken(config), 2 * (4 * 64 + (64 + 2 * 32 + 64) + 3 * 100) + 2 * 64);
  config.attention.qk_norm = QkNorm::kHead;
  EXPECT_EQ(KeptActivationsPerToken(config),
            2 * (4 * 64 + (64 + 2 * 32 + 64) + (64 + 32) + 3 * 100) + 2 * 64);
}

// A family's small model, eight times as wide: what is kept beside rows is little then.
ModelConfig Widened(ModelConfig config) {
  for (int64_t* width :
       {&config.width, &config.ffn_width, &config.moe.expert_width, &config.moe.shared_width,
        &config.attention.num_heads, &config.attention.num_kv_heads, &config.attention.kv_lora_rank,
        &config.attention.q_lora_rank, &config.linear.num_key_heads,
        &config.linear.num_value_heads}) {
    *width *= 8;
  }
  return config;
}

class MeasuredActivations : public ::testing::TestWithParam<std::string> {
 protected:
  static constexpr int64_t kTokens = 256;

  MeasuredActivations() {
    for (const at::Tensor& parameter : policy_->parameters()) {
      parameter.mutable_grad() = at::zeros_like(parameter);
    }
  }
  static PackedTokens Tokens() {
    std::vector<std::vector<int32_t>> sequences(16, std::vector<int32_t>(kTokens / 16));
    int32_t next = 3;
    for (auto& sequence : sequences) {
      for (int32_t& id : sequence) id = next = (next * 7 + 1) % 61;
    }
    return Pack(sequences);
  }

  ModelConfig config_ = Widened(ReadFamilyGolden(GetParam()).config);
  Transformer policy_ = MakeTransformer(config_, FamilyGoldenWeights(config_));
  PackedTokens tokens_ = Tokens();
};

TEST_P(MeasuredActivations, AreThoseThatTheEstimateTells) {
  at::Tensor hidden_TD;
  const double kept = HeldBytesCounter::KeptBy([&] { hidden_TD = policy_(tokens_); });
  const double expected = 4.0 * kTokens * static_cast<double>(KeptActivationsPerToken(config_));
  EXPECT_NEAR(kept, expected, 0.05 * expected);
}

// Beside it there may be new gradients of weights, which are added to those of before: of a layer's
// experts, of the largest matrix.
TEST_P(MeasuredActivations, PeakWhereTheEstimateSaysWithAnyNumberOfLayersRecomputed) {
  int64_t largest = 0;
  for (const at::Tensor& weight : policy_->parameters())
    largest = std::max(largest, weight.numel());
  const int64_t experts = 3 * config_.moe.num_experts * config_.moe.expert_width * config_.width;
  const double weights = 4.0 * static_cast<double>(experts + largest);
  for (int64_t layers = 0; layers <= config_.num_layers; ++layers) {
    policy_->RecomputeFirst(layers);
    const double peak = HeldBytesCounter::PeakOf([&] { policy_(tokens_).sum().backward(); });
    const double expected = ActivationBytes(config_, kTokens, layers);
    EXPECT_GT(peak, 0.9 * expected) << layers << " layers recomputed";
    EXPECT_LT(peak, 1.1 * (expected + weights)) << layers << " layers recomputed";
  }
}

TEST(ActivationMemory, ABudgetTakesTheFewestLayersThatHoldIt) {
  const ModelConfig config = SmallDenseConfig();
  const double none = ActivationBytes(config, 100, 0), one = ActivationBytes(config, 100, 1);
  EXPECT_LT(one, none);
  EXPECT_EQ(FewestRecomputedLayers(config, 100, none), 0);
  EXPECT_EQ(FewestRecomputedLayers(config, 100, none - 1), 1);
  const double least = LeastActivationBytes(config, 100);
  EXPECT_EQ(FewestRecomputedLayers(config, 100, least - 1), std::nullopt);
  EXPECT_EQ(MostTokensWithin(config, least, 5000), 100);
  EXPECT_EQ(MostTokensWithin(config, least, 30), 30);
  EXPECT_EQ(MostTokensWithin(config, 10, 30), 0);
}

INSTANTIATE_TEST_SUITE_P(Families, MeasuredActivations,
                         ::testing::Values("llama", "gemma2", "olmo2", "qwen3_moe", "gpt_oss",
                                           "deepseek_v3", "qwen3_next"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cohort::policy
