#include "rollout/cpu/model_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/rollout/family_models.h"

namespace cohort::rollout {
namespace {

using testing::HasSubstr;

std::string RefusalOf(const policy::ModelConfig& config) {
  try {
    CheckModel(config);
  } catch (const Error& error) {
    return error.code() == ErrorCode::kUsage ? error.what() : "another code";
  }
  return "no error";
}

TEST(ModelCheck, TakesEveryFamily) {
  for (const FamilyModel& model : FamilyModels()) {
    EXPECT_EQ(RefusalOf(model.config), "no error") << model.name;
  }
}

TEST(ModelCheck, NamesWhatTheDecoderDoesNotHave) {
  policy::ModelConfig config = LlamaConfig();
  config.rope.interleaved = true;
  EXPECT_THAT(RefusalOf(config), HasSubstr("interleaved rotary positions"));
  EXPECT_THAT(RefusalOf(config), HasSubstr("'llama'"));
  config = DeepSeekV3Config();
  config.attention.qkv_bias = true;
  EXPECT_THAT(RefusalOf(config), HasSubstr("biases in latent attention"));
  config = DeepSeekV3Config();
  config.attention.qk_norm = policy::QkNorm::kHead;
  EXPECT_THAT(RefusalOf(config), HasSubstr("norms of query and key heads in latent attention"));
}

TEST(ModelCheck, NamesSizesThatDoNotFit) {
  policy::ModelConfig config = LlamaConfig();
  config.attention.num_kv_heads = 3;
  EXPECT_THAT(RefusalOf(config), HasSubstr("not a multiple of num_kv_heads (3)"));
  config = LlamaConfig();
  config.attention.head_dim = 9;
  EXPECT_THAT(RefusalOf(config), HasSubstr("(9) must be even"));
  config = DeepSeekV3Config();
  config.attention.kv_lora_rank = 0;
  EXPECT_THAT(RefusalOf(config), HasSubstr("not positive"));
  config = DeepSeekV3Config();
  config.ffn_width = 0;
  EXPECT_THAT(RefusalOf(config), HasSubstr("ffn_width"));
}

TEST(ModelCheck, NamesExpertsAndGroupsThatDoNotFit) {
  policy::ModelConfig config = DeepSeekV3Config();
  config.moe.experts_per_token = 13;
  EXPECT_THAT(RefusalOf(config), HasSubstr("experts_per_token <= num_experts"));
  config = DeepSeekV3Config();
  config.moe.num_groups = 5;
  EXPECT_THAT(RefusalOf(config), HasSubstr("num_groups (5) does not divide num_experts (12)"));
  config.moe.num_groups = 12;
  EXPECT_THAT(RefusalOf(config), HasSubstr("two best experts"));
  config = DeepSeekV3Config();
  config.moe.groups_per_token = 1;
  EXPECT_THAT(RefusalOf(config), HasSubstr("groups_per_token (1)"));
  config = DeepSeekV3Config();
  config.moe.shared_gate = true;
  EXPECT_EQ(RefusalOf(config), "no error");
  config.moe.shared_width = 0;
  EXPECT_THAT(RefusalOf(config), HasSubstr("needs a shared expert"));
}

}  // namespace
}  // namespace cohort::rollout
