#include "policy/weights/model_size.h"

#include <gtest/gtest.h>

#include "policy/weights/weights.h"

namespace cohort::policy {
namespace {

ModelConfig DeepSeekV3() {
  return ReadConfig(COHORT_SOURCE_DIR "/recipes/configs/deepseek-v3.json");
}

ModelConfig Parse(const std::string& text) {
  return ParseConfig(nlohmann::json::parse(text), "config.json");
}

// DeepSeek-V2's config_236B.json.
ModelConfig DeepSeekV2() {
  return Parse(R"({"model_type": "deepseek_v2", "vocab_size": 102400, "hidden_size": 5120,
    "num_hidden_layers": 60, "intermediate_size": 12288, "max_position_embeddings": 163840,
    "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1536,
    "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "n_routed_experts": 160, "num_experts_per_tok": 6, "n_shared_experts": 2,
    "moe_intermediate_size": 1536, "first_k_dense_replace": 1, "routed_scaling_factor": 16.0,
    "norm_topk_prob": false, "topk_method": "group_limited_greedy", "n_group": 8, "topk_group": 3,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}})");
}

ModelConfig Qwen3Moe30B() {
  return Parse(R"({"model_type": "qwen3_moe", "vocab_size": 151936, "hidden_size": 2048,
    "num_hidden_layers": 48, "intermediate_size": 6144, "max_position_embeddings": 40960,
    "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128,
    "num_experts_per_tok": 8, "moe_intermediate_size": 768, "norm_topk_prob": true,
    "rope_theta": 1000000.0})");
}

ModelConfig Llama405B() {
  return Parse(R"({"model_type": "llama", "vocab_size": 128256, "hidden_size": 16384,
    "num_hidden_layers": 126, "intermediate_size": 53248, "max_position_embeddings": 131072,
    "num_attention_heads": 128, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0})");
}

ModelConfig Qwen25Of72B() {
  return Parse(R"({"model_type": "qwen2", "vocab_size": 152064, "hidden_size": 8192,
    "num_hidden_layers": 80, "intermediate_size": 29568, "max_position_embeddings": 32768,
    "num_attention_heads": 64, "num_key_value_heads": 8, "rope_theta": 1000000.0})");
}

// arXiv 2412.19437 (671B, 37B activated) and README_WEIGHTS.md of deepseek-ai/DeepSeek-V3 (671B
// without and 11.5B of the multi-token-prediction module's own).
TEST(ModelSize, CountsDeepSeekV3AsPublished) {
  const ModelSize size = MeasureModel(DeepSeekV3());
  EXPECT_EQ(size.total, 671026419200);
  EXPECT_EQ(size.active, 37552297472);
  EXPECT_EQ(size.active - size.embedding, 36625618432);
  EXPECT_NEAR(static_cast<double>(size.mtp), 11.5e9, 0.15e9);
  EXPECT_EQ(size.total + size.mtp, CountParameters(DeepSeekV3()));
}

// arXiv 2405.04434: 236B, 21B activated. Qwen's model card: 30.5B, 3.3B activated.
TEST(ModelSize, CountsOtherMixturesAsPublished) {
  EXPECT_NEAR(static_cast<double>(MeasureModel(DeepSeekV2()).total), 236e9, 0.5e9);
  EXPECT_NEAR(static_cast<double>(MeasureModel(DeepSeekV2()).active), 21e9, 0.5e9);
  EXPECT_NEAR(static_cast<double>(MeasureModel(Qwen3Moe30B()).total), 30.5e9, 0.05e9);
  EXPECT_NEAR(static_cast<double>(MeasureModel(Qwen3Moe30B()).active), 3.3e9, 0.06e9);
}

// arXiv 2508.10925 table 1: 20.91B, 3.61B active with the embeddings counted once. Qwen's model
// card: 14.3B, 2.7B activated; a token meets the shared expert and its gate.
TEST(ModelSize, CountsBiasesAndSharedExperts) {
  const ModelConfig gpt_oss = Parse(R"({"model_type": "gpt_oss", "vocab_size": 201088,
    "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24,
    "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "num_local_experts": 32,
    "num_experts_per_tok": 4, "sliding_window": 128, "max_position_embeddings": 131072,
    "rope_theta": 150000, "rope_scaling": {"rope_type": "yarn", "factor": 32.0,
    "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false,
    "original_max_position_embeddings": 4096}})");
  const ModelSize size = MeasureModel(gpt_oss);
  EXPECT_NEAR(static_cast<double>(size.total), 20.91e9, 0.01e9);
  EXPECT_NEAR(static_cast<double>(size.active - size.embedding), 3.61e9, 0.01e9);
  // An expert's three projections with their biases, 5760 and 2880 numbers.
  EXPECT_EQ(size.routed_experts, int64_t{24} * 32 * (3 * 2880 * 2880 + 5760 + 2880));
  const ModelConfig qwen = Parse(R"({"model_type": "qwen2_moe", "vocab_size": 151936,
    "hidden_size": 2048, "intermediate_size": 5632, "moe_intermediate_size": 1408,
    "shared_expert_intermediate_size": 5632, "num_hidden_layers": 24, "num_attention_heads": 16,
    "num_key_value_heads": 16, "num_experts": 60, "num_experts_per_tok": 4,
    "max_position_embeddings": 8192, "rope_theta": 1000000.0})");
  EXPECT_NEAR(static_cast<double>(MeasureModel(qwen).total), 14.3e9, 0.05e9);
  EXPECT_NEAR(static_cast<double>(MeasureModel(qwen).active), 2.7e9, 0.05e9);
}

TEST(ModelSize, CountsEveryParameterOfADenseModelAsActive) {
  const ModelSize size = MeasureModel(Qwen25Of72B());
  EXPECT_NEAR(static_cast<double>(size.total), 72.7e9, 0.05e9);  // the model card
  EXPECT_EQ(size.active, size.total);
  EXPECT_EQ(size.mtp, 0);
}

// arXiv 2505.09343 table 1, in bf16: 70.272, 327.680 and 516.096 KB.
TEST(ModelSize, CachesAsManyBytesATokenAsPublished) {
  EXPECT_EQ(2 * CachedValues(DeepSeekV3(), 1), 70272);
  EXPECT_EQ(2 * CachedValues(Qwen25Of72B(), 1), 327680);
  EXPECT_EQ(2 * CachedValues(Llama405B(), 1), 516096);
}

// arXiv 2310.06825 section 2: at 32K tokens Mistral 7B's window of 4096 makes its cache 8 times
// smaller.
TEST(ModelSize, CachesTheWindowAloneWhereALayerHasOne) {
  ModelConfig config = Parse(R"({"model_type": "mistral", "vocab_size": 32000,
    "hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336,
    "max_position_embeddings": 32768, "num_attention_heads": 32, "num_key_value_heads": 8,
    "sliding_window": 4096})");
  ModelConfig full = config;
  full.attention.sliding_window = 0;
  EXPECT_EQ(CachedValues(full, 32768), 8 * CachedValues(config, 32768));
  EXPECT_EQ(CachedValues(full, 32768), 32 * 2 * 8 * 128 * 32768ll);
  EXPECT_EQ(CachedValues(config, 4096), CachedValues(full, 4096));
  for (int64_t layer = 0; layer < 32; layer += 2) config.attention.full_layers.push_back(layer);
  EXPECT_EQ(CachedTokens(config, 32768), 16 * (32768 + 4096));
}

TEST(ModelSize, MeasuresAFolderInEveryDtype) {
  ModelConfig config = DeepSeekV3();
  const ModelSize size = MeasureModel(config);
  const int64_t biases = 58 * 256;  // e_score_correction_bias, fp32 in any
  EXPECT_EQ(MeasureFolder(config, Dtype::kFloat32).total, 4 * size.total);
  EXPECT_EQ(MeasureFolder(config, Dtype::kBFloat16).total, 2 * size.total + 2 * biases);
  // One layer by hand: 18432 x 7168 is 144 x 56 blocks; kv_a has 576 rows, so 5 rows of blocks.
  config.num_layers = 1;
  const int64_t matrices = 1536 * 7168 + 24576 * 1536 + 576 * 7168 + 32768 * 512 + 7168 * 16384 +
                           3 * int64_t{18432} * 7168;
  const int64_t blocks = 12 * 56 + 192 * 12 + 5 * 56 + 256 * 4 + 56 * 128 + 3 * 144 * 56;
  const int64_t kept = MeasureModel(config).total - matrices;
  EXPECT_EQ(MeasureFolder(config, Dtype::kFloat8E4m3).total, matrices + 4 * blocks + 2 * kept);
}

}  // namespace
}  // namespace cohort::policy
